//! Listening for many clients at once.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted. Linux makes it its own limit, most often this one.
const BACKLOG: u32 = 4096;

/// tokio's own `bind` lets only 128 connections wait to be accepted. Of a thousand clients that come at once the kernel turns
/// away the rest, which try again a second later: that is a second in which nothing happens, and virtual time passes.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A port that was served from a moment ago can be served from again; on Windows it would allow two servers at once.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
