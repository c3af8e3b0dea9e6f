//! Frames over HTTP/1.1: a frame is the body of a POST, its reply the body of the response.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::protocol::LARGEST_FRAME_BYTES;

/// Where frames are posted.
pub const FRAME: &str = "/frame";
/// Where endpoints sign off.
pub const BYE: &str = "/bye";

/// Connections to one server: as many as requests are under way, kept for the next.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
}

impl Client {
    /// One without a connection.
    pub fn new(address: SocketAddr) -> Client {
        Client { address, idle: Arc::default() }
    }

    /// Makes sure that there is a connection.
    ///
    /// # Errors
    /// The server is not reached.
    pub async fn reach(&self) -> Result<(), String> {
        let sender = self.sender().await?;
        self.keep(sender);
        Ok(())
    }

    /// Posts a body and waits for the response.
    ///
    /// # Errors
    /// The server is not reached, or does not answer with success.
    pub async fn post(&self, path: &str, body: Bytes) -> Result<Bytes, String> {
        let mut sender = self.sender().await?;
        let request = Request::post(path)
            .header(HOST, self.address.to_string())
            .body(Full::new(body))
            .map_err(|cause| cause.to_string())?;
        let response = sender.send_request(request).await.map_err(|cause| cause.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|cause| cause.to_string())?.to_bytes();
        self.keep(sender);
        if status.is_success() { Ok(body) } else { Err(format!("the server answered {status}")) }
    }

    /// A connection that can take a request.
    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(self.address).await.map_err(|cause| cause.to_string())?;
        stream.set_nodelay(true).map_err(|cause| cause.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|cause| cause.to_string())?;
        tokio::spawn(async move {
            // Its requests are told.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    }
}

/// Answers requests for ever: `answer` is given a path and a body, and says what to respond, nothing if the request
/// cannot be served.
pub async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(String, Bytes) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Option<Bytes>> + Send,
{
    loop {
        // A connection that failed before it was accepted is its client's trouble.
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Without it responses come a little later, nothing else.
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, answer.clone()));
            // A connection that breaks is its client's trouble.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond<F, A>(
    request: Request<Incoming>,
    answer: F,
) -> Result<Response<Full<Bytes>>, hyper::http::Error>
where
    F: Fn(String, Bytes) -> A,
    A: Future<Output = Option<Bytes>>,
{
    let status = |status| Response::builder().status(status).body(Full::default());
    if request.method() != Method::POST {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let path = request.uri().path().to_string();
    let limited = Limited::new(request.into_body(), LARGEST_FRAME_BYTES as usize);
    match limited.collect().await {
        Err(_) => status(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(body) => match answer(path, body.to_bytes()).await {
            Some(body) => Response::builder().body(Full::new(body)),
            None => status(StatusCode::BAD_REQUEST),
        },
    }
}
