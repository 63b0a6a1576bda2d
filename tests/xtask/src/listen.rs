//! Listens with a large backlog.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Maximum number of connections that wait to be accepted. Linux reduces it to its own limit, which
/// is usually the same.
const BACKLOG: u32 = 4096;

/// Listens on an address.
///
/// tokio's own `bind` allows only 128 waiting connections. If a thousand clients connect at the
/// same time, the kernel rejects the rest, which retry after a second. In that second nothing
/// happens, so virtual time would pass.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // Allow a restart on a recently used port. On Windows, this option would allow two servers on
    // one port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
