//! A small HTTP client with a signer of its own, for the tests of the simulator.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::{Simulator, connection};
use super::{DEADLINE, KEY, account};

/// A client's end of one connection.
pub(super) struct Client {
    pub(super) stream: BufReader<TcpStream>,
    pub(super) host: String,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(super) complete: bool,
    /// Sizes of the chunks.
    pub(super) chunks: Vec<usize>,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        connection::find(&self.headers, name).unwrap()
    }
}

impl Client {
    pub(super) fn connect(simulator: &Simulator) -> Self {
        let host = simulator
            .endpoint()
            .strip_prefix("http://")
            .unwrap()
            .to_owned();
        let stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self {
            stream: BufReader::new(stream),
            host,
        }
    }

    pub(super) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn send_signed(&mut self, method: &str, target: &str, body: Option<&str>) {
        let request = signed(method, target, &self.host, body);
        self.send(&request);
    }

    pub(super) fn chat(&mut self, body: &Value) -> Reply {
        self.send_signed("POST", "/20231130/actions/chat", Some(&body.to_string()));
        self.read()
    }

    pub(super) fn get(&mut self, target: &str) -> Reply {
        self.send_signed("GET", target, None);
        self.read()
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(super) fn read_head(&mut self) -> Reply {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        Reply {
            status,
            headers,
            body: Vec::new(),
            complete: false,
            chunks: Vec::new(),
        }
    }

    /// Reads the next chunk; false at the proper end, `None` if the connection ends first.
    pub(super) fn read_chunk(&mut self, reply: &mut Reply) -> Option<bool> {
        let size = usize::from_str_radix(&self.line(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        reply.body.extend(&chunk[..size]);
        if size > 0 {
            reply.chunks.push(size);
        }
        Some(size > 0)
    }

    pub(super) fn read(&mut self) -> Reply {
        let mut reply = self.read_head();
        if let Some(length) = connection::find(&reply.headers, "content-length") {
            let length: u64 = length.parse().unwrap();
            self.stream
                .by_ref()
                .take(length)
                .read_to_end(&mut reply.body)
                .unwrap();
            reply.complete = reply.body.len() as u64 == length;
        } else if connection::find(&reply.headers, "transfer-encoding").is_some() {
            reply.complete = loop {
                match self.read_chunk(&mut reply) {
                    Some(true) => {}
                    end => break end == Some(false),
                }
            };
        } else {
            self.stream.read_to_end(&mut reply.body).unwrap();
        }
        reply
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

pub(super) fn signed(method: &str, target: &str, host: &str, body: Option<&str>) -> String {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let request_target = format!("{} {target}", method.to_ascii_lowercase());
    let mut headers = vec![
        ("date", date),
        ("(request-target)", request_target),
        ("host", host.to_owned()),
    ];
    if let Some(body) = body {
        headers.push(("content-length", body.len().to_string()));
        headers.push(("content-type", "application/json".to_owned()));
        headers.push(("x-content-sha256", STANDARD.encode(Sha256::digest(body))));
    }
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let key = SigningKey::<Sha256>::new(RsaPrivateKey::from_pkcs1_pem(KEY).unwrap());
    let signature = STANDARD.encode(key.sign(lines.join("\n").as_bytes()).to_bytes());
    let key_id = account().key_id();
    let sent: Vec<_> = lines
        .iter()
        .filter(|line| !line.starts_with('('))
        .map(String::as_str)
        .collect();
    format!(
        "{method} {target} HTTP/1.1\r\n{}\r\nauthorization: Signature version=\"1\",keyId=\"{key_id}\",\
         algorithm=\"rsa-sha256\",headers=\"{}\",signature=\"{signature}\"\r\nopc-request-id: ABC/1\r\n\r\n{}",
        sent.join("\r\n"),
        names.join(" "),
        body.unwrap_or_default()
    )
}
