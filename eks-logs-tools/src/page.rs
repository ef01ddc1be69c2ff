//! Tokens with which a list is read on: opaque, and of use for the same list only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure};

#[derive(Serialize, Deserialize)]
struct Token {
    offset: usize,
    bound_to: u64,
}

pub(crate) fn write(offset: usize, bound_to: u64) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Token { offset, bound_to }).unwrap_or_default())
}

/// Where the page starts.
pub(crate) fn read(token: Option<&str>, bound_to: u64) -> Result<usize, Failure> {
    let Some(text) = token else { return Ok(0) };
    let token: Option<Token> = URL_SAFE_NO_PAD.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
    match token {
        Some(token) if token.bound_to == bound_to => Ok(token.offset),
        _ => Err(Failure::new(
            Code::BadArgument,
            "the page token is of another bundle, of other arguments or of another state of the bundle",
            "start again without a page token, and keep the other arguments the same from page to page",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_something_else_is_refused() {
        let token = write(50, 1);
        assert_eq!(read(Some(&token), 1).unwrap(), 50);
        assert_eq!(read(None, 1).unwrap(), 0);
        for bad in [token.as_str(), "", "AAAA", "not base64!"] {
            assert_eq!(read(Some(bad), 2).unwrap_err().code, Code::BadArgument);
        }
    }
}
