//! A gRPC server that answers at once, to find how much the load generator can ask for.

use anyhow::Result;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::TcpStream;

/// About as long as the answer to a query here.
const ANSWER_BYTES: usize = 500;

/// Serve until killed.
pub(crate) async fn serve() -> Result<()> {
    let listener = crate::listen().await?;
    let answer = crate::grpc::framed(&[0; ANSWER_BYTES])?;
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(connection(socket, answer.clone()));
    }
}

async fn connection(socket: TcpStream, answer: Bytes) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(answered(request.into_body(), respond, answer.clone()));
    }
    Ok(())
}

async fn answered(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    answer: Bytes,
) -> Result<()> {
    while let Some(chunk) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk?.len());
    }
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(answer, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Ok(stream.send_trailers(trailers)?)
}
