// A proxy for the local Hightouch. It forwards a trigger immediately and delays the response by nine seconds.
//
//     node late-trigger.mjs http://127.0.0.1:4000
//
// `GET /triggers` returns the number of triggers since the last such request.
import http from 'node:http';

const hightouch = process.argv[2];
const LATE_MS = 9000;
let triggers = 0;

const server = http.createServer(async (request, response) => {
    if (request.url === '/triggers') {
        response.end(String(triggers));
        triggers = 0;
        return;
    }
    const triggered = request.method === 'POST' && request.url.includes('/trigger');
    if (triggered) triggers += 1;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = { authorization: request.headers.authorization, 'content-type': 'application/json' };
    const body = chunks.length ? Buffer.concat(chunks) : undefined;
    const upstream = await fetch(hightouch + request.url, { method: request.method, headers, body });
    const text = await upstream.text();
    if (triggered) await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    response.writeHead(upstream.status, { 'content-type': 'application/json', date: upstream.headers.get('date') });
    response.end(text);
});
server.listen(0, '127.0.0.1', () => console.log(`listens on http://127.0.0.1:${server.address().port} `));
