//! A connection to the port.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::within;

/// A relay that finds nothing behind it closes within this time.
const SETTLES: Duration = Duration::from_millis(100);

pub(super) async fn connect(address: SocketAddr, limit: Duration) -> Result<(), String> {
    within(limit, async {
        let mut stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => "no connection".to_owned(),
            kind => format!("no connection: {kind}"),
        })?;
        match tokio::time::timeout(SETTLES.min(limit / 2), stream.read(&mut [0])).await {
            // It waits for us to speak first, or has spoken.
            Err(_) | Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0) | Err(_)) => Err("closed at once".to_owned()),
        }
    })
    .await?
}
