//! stdin and stdout, with the checks that the protocol library leaves out: what is no JSON-RPC message gets an error by its code instead of
//! silence, and a line has a longest length.

use rmcp::transport::{StdioReader, StdioWriter, stdio_pipes};
use serde_json::Value;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::message::{error, wrong};

/// Bytes between the streams and the protocol library.
const BETWEEN: usize = 256 << 10;
/// Lines that wait to be written.
const WAITING: usize = 64;

/// The protocol's end of the streams, and what ends when all is written.
pub(crate) struct Streams {
    pub(crate) transport: DuplexStream,
    pub(crate) written: JoinHandle<()>,
}

/// The process's own streams.
pub(crate) fn streams(longest: usize) -> Streams {
    let (input, output): (StdioReader, StdioWriter) = stdio_pipes();
    between(input, output, longest)
}

/// Puts the checks between two streams and the protocol library.
fn between(
    input: impl AsyncRead + Send + Unpin + 'static,
    mut output: impl AsyncWrite + Send + Unpin + 'static,
    longest: usize,
) -> Streams {
    let (transport, ours) = tokio::io::duplex(BETWEEN);
    let (answers, mut messages) = tokio::io::split(ours);
    let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
    let errors = lines.clone();
    tokio::spawn(async move {
        let mut input = BufReader::new(input);
        loop {
            let line = match next_line(&mut input, longest).await {
                Ok(Some(line)) => line,
                Ok(None) | Err(_) => break,
            };
            let refused = match line {
                Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => continue,
                Line::Whole(line) => match wrong(&line) {
                    None => {
                        if messages.write_all(&line).await.is_err() {
                            break;
                        }
                        continue;
                    }
                    Some(error) => line_of(error),
                },
                Line::TooLong => line_of(error(Value::Null, -32600, &format!("a message may have {longest} bytes"))),
            };
            if errors.send(refused).await.is_err() {
                break;
            }
        }
        // The client is gone: the library ends when it reads that.
        let _ = messages.shutdown().await;
    });
    tokio::spawn(async move {
        let mut answers = BufReader::new(answers);
        loop {
            let mut line = Vec::new();
            match answers.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    if lines.send(line).await.is_err() {
                        break;
                    }
                }
            }
        }
    });
    let written = tokio::spawn(async move {
        while let Some(line) = waiting.recv().await {
            if output.write_all(&line).await.is_err() || output.flush().await.is_err() {
                break;
            }
        }
    });
    Streams { transport, written }
}

fn line_of(message: Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

enum Line {
    /// With its newline.
    Whole(Vec<u8>),
    TooLong,
}

/// The next line; one that is too long is read to its end and thrown away.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin), longest: usize) -> std::io::Result<Option<Line>> {
    let (mut line, mut too_long) = (Vec::new(), false);
    loop {
        let piece = input.fill_buf().await?;
        if piece.is_empty() {
            return Ok(match (line.is_empty(), too_long) {
                (_, true) => Some(Line::TooLong),
                (true, false) => None,
                (false, false) => {
                    line.push(b'\n');
                    Some(Line::Whole(line))
                }
            });
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(piece.len(), |at| at + 1);
        if line.len() + count > longest {
            too_long = true;
            line.clear();
        }
        if !too_long {
            line.extend_from_slice(&piece[..count]);
        }
        input.consume(count);
        if end.is_some() {
            return Ok(Some(if too_long { Line::TooLong } else { Line::Whole(line) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_refused_and_the_next_is_read() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(server);
        let mut streams = between(input, output, 100);
        let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        client.write_all(format!("{}\n{ping}", "x".repeat(5000)).as_bytes()).await.unwrap();
        let mut passed = vec![0; ping.len()];
        tokio::io::AsyncReadExt::read_exact(&mut streams.transport, &mut passed).await.unwrap();
        assert_eq!(passed, ping.as_bytes());
        let mut refused = String::new();
        BufReader::new(&mut client).read_line(&mut refused).await.unwrap();
        assert!(refused.contains("-32600") && refused.contains("100 bytes"), "{refused}");
    }
}
