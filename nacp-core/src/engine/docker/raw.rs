//! Reads of the daemon's answers that leave out what NACP does not need: the client library refuses a whole list for
//! one word that it does not know, such as Podman's state `stopped`.

use std::pin::pin;

use bollard::errors::Error as Api;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::address::Address;

#[derive(Default, Deserialize)]
struct Refusal {
    message: String,
}

/// `GET path`, over a connection of its own, as JSON. It has no time limit.
pub(super) async fn get<T: DeserializeOwned>(address: &Address, path: &str) -> Result<T, Api> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(address.open().await?)).await?;
    let request = Request::get(path).header(header::HOST, address.host()).body(Empty::<Bytes>::new())?;
    let exchange = pin!(async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
    });
    let (status, body) = match select(exchange, pin!(connection)).await {
        Either::Left((exchanged, _)) => exchanged?,
        // The connection has ended, and with it the exchange: well, or with the error of the connection.
        Either::Right((_, exchange)) => exchange.await?,
    };
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    Ok(serde_json::from_slice(&body)?)
}

/// What the daemon answers instead of what it was asked for.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Api {
    let message = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    Api::DockerResponseServerError { status_code: status.as_u16(), message }
}

/// Text as one part of an address.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_in_an_address_stays() {
        assert_eq!(encoded(r#"{"a":["b-c=d"]}"#), "%7B%22a%22%3A%5B%22b-c%3Dd%22%5D%7D");
    }
}
