//! Reads of the daemon's answers that leave out what NACP does not need: the client library refuses a whole list for
//! one word that it does not know, such as Podman's state `stopped`.

use std::io;
use std::pin::pin;

use bollard::errors::Error as Api;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
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

/// No answer is longer: a list of thousands of containers has a few MiB.
const LIMIT: usize = 64 << 20;

/// `GET path`, over a connection of its own, as JSON. It has no time limit.
pub(super) async fn get<T: DeserializeOwned>(address: &Address, path: &str) -> Result<T, Api> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(address.open().await?)).await?;
    let request = Request::get(path).header(header::HOST, address.host()).body(Empty::<Bytes>::new())?;
    let exchange = pin!(async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok::<_, hyper::Error>((status, whole(answer.into_body(), LIMIT).await))
    });
    let (status, body) = match select(exchange, pin!(connection)).await {
        Either::Left((exchanged, _)) => exchanged?,
        // The connection has ended, and with it the exchange: well, or with the error of the connection.
        Either::Right((_, exchange)) => exchange.await?,
    };
    let body = body?;
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    Ok(serde_json::from_slice(&body)?)
}

/// The whole of a body that is no longer than `limit` bytes.
async fn whole<B>(body: B, limit: usize) -> Result<Bytes, Api>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected =
        Limited::new(body, limit).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
            true => io::Error::new(io::ErrorKind::InvalidData, format!("the answer is longer than {limit} bytes")),
            false => io::Error::other(error),
        })?;
    Ok(collected.to_bytes())
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
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(whole(body(), 5).await.unwrap().as_ref(), b"12345");
        assert!(whole(body(), 4).await.unwrap_err().to_string().contains("longer than 4 bytes"));
    }

    #[test]
    fn only_what_is_safe_in_an_address_stays() {
        assert_eq!(encoded(r#"{"a":["b-c=d"]}"#), "%7B%22a%22%3A%5B%22b-c%3Dd%22%5D%7D");
    }
}
