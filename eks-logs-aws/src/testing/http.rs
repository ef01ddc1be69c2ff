//! As much of HTTP/1.1 as a proxy has to understand.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A request as it came.
pub(super) struct Request {
    /// The request line and the headers, with the empty line at their end.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Reads up to the end of a head; `None` at the end of the connection.
pub(super) async fn head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(None);
        }
        read.extend_from_slice(&buffer[..count]);
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(at + 4);
            return Ok(Some((read, rest)));
        }
    }
}

/// The value of a header, by its name in lower case.
pub(super) fn header(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    text.lines().skip(1).find_map(|line| {
        let (there, value) = line.split_once(':')?;
        there.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Reads a whole request.
pub(super) async fn request(connection: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Option<Request>> {
    let Some((head, mut body)) = head(connection).await? else { return Ok(None) };
    if header(&head, "expect").is_some() {
        connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut buffer = vec![0; 64 << 10];
    if header(&head, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        while !body.ends_with(b"0\r\n\r\n") {
            let count = connection.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            body.extend_from_slice(&buffer[..count]);
        }
    } else {
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
        while body.len() < length {
            let count = connection.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            body.extend_from_slice(&buffer[..count]);
        }
    }
    Ok(Some(Request { head, body }))
}

/// The head with `connection: close`, and without what must not be passed on.
pub(super) fn closing(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let mut lines: Vec<&str> = text.trim_end().lines().collect();
    lines.retain(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("expect")
    });
    let mut closed = lines.join("\r\n");
    closed.push_str("\r\nConnection: close\r\n\r\n");
    closed.into_bytes()
}
