//! A libp2p peer on rust-libp2p for dchat's interoperation tests; see ../../README.md.

mod dial;

use std::{error::Error, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, identity::Keypair, multiaddr::Protocol, noise,
    ping, swarm::NetworkBehaviour, tcp, yamux,
};
use serde_json::{Value, json};
use tokio_util::compat::TokioAsyncReadCompatExt;

pub type Failure = Box<dyn Error + Send + Sync>;
pub const ECHO: StreamProtocol = StreamProtocol::new("/dchat/interop/echo/1");

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub stream: libp2p_stream::Behaviour,
}

pub fn report(value: Value) {
    println!("{value}");
}

fn keypair(kind: &str) -> Result<Keypair, Failure> {
    match kind {
        "ed25519" => Ok(Keypair::generate_ed25519()),
        "secp256k1" => Ok(Keypair::generate_secp256k1()),
        "ecdsa" => Ok(Keypair::generate_ecdsa()),
        _ => Err(format!("this peer can make ed25519, secp256k1 and ecdsa keys, not {kind}").into()),
    }
}

/// A swarm on TCP, Noise and yamux alone. rust-libp2p has no early muxer negotiation: it selects yamux by
/// multistream-select over Noise, pipelined (V1Lazy).
fn swarm(kind: &str) -> Result<Swarm<Behaviour>, Failure> {
    Ok(SwarmBuilder::with_existing_identity(keypair(kind)?)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| Behaviour {
            identify: identify::Behaviour::new(
                identify::Config::new("/dchat/interop/1".into(), key.public())
                    .with_agent_version("dchat-interop-rust".into()),
            ),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_millis(200))),
            stream: libp2p_stream::Behaviour::new(),
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build())
}

async fn listen(mut swarm: Swarm<Behaviour>) -> Result<(), Failure> {
    let mut incoming = swarm.behaviour().stream.new_control().accept(ECHO)?;
    tokio::spawn(async move {
        while let Some((_, stream)) = incoming.next().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.split();
                let _ = futures::io::copy(reader, &mut writer).await;
                let _ = writer.close().await;
            });
        }
    });
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let mut stdin = tokio::io::stdin();
    let mut byte = [0u8; 1];
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let libp2p::swarm::SwarmEvent::NewListenAddr { address, .. } = event {
                    report(json!({ "addr": format!("{address}/p2p/{}", swarm.local_peer_id()) }));
                }
            }
            read = tokio::io::AsyncReadExt::read(&mut stdin, &mut byte) => {
                if read? == 0 { return Ok(()); }
            }
        }
    }
}

/// The PeerId that an address ends in.
pub fn peer_of(address: &Multiaddr) -> Result<PeerId, Failure> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Ok(peer),
        _ => Err(format!("{address} doesn't end in /p2p/PEERID").into()),
    }
}

/// Joins one stream of `protocol` to stdin and stdout, half-close included.
async fn pipe(mut swarm: Swarm<Behaviour>, address: Multiaddr, protocol: String) -> Result<(), Failure> {
    let peer = peer_of(&address)?;
    let mut control = swarm.behaviour().stream.new_control();
    swarm.dial(address)?;
    tokio::spawn(async move { loop { swarm.select_next_some().await; } });
    let stream = control.open_stream(peer, StreamProtocol::try_from_owned(protocol)?).await?;
    let (mut reader, mut writer) = stream.split();
    tokio::spawn(async move {
        let mut stdin = tokio::io::stdin().compat();
        let mut buffer = vec![0u8; 65_536];
        while let Ok(read) = stdin.read(&mut buffer).await {
            if read == 0 || writer.write_all(&buffer[..read]).await.is_err() || writer.flush().await.is_err() { break; }
        }
        let _ = writer.close().await;
    });
    let mut stdout = tokio::io::stdout();
    let mut buffer = vec![0u8; 65_536];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 { return Ok(()); }
        tokio::io::AsyncWriteExt::write_all(&mut stdout, &buffer[..read]).await?;
        tokio::io::AsyncWriteExt::flush(&mut stdout).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut positional = Vec::new();
    let mut kind = "ed25519".to_string();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--key-type" => kind = arguments.next().ok_or("--key-type wants a value")?,
            _ => positional.push(argument),
        }
    }
    let words: Vec<&str> = positional.iter().map(String::as_str).collect();
    let swarm = swarm(&kind)?;
    match words.as_slice() {
        ["listen"] => listen(swarm).await,
        ["dial", address] => dial::dial(swarm, address.parse()?).await,
        ["pipe", address, protocol] => pipe(swarm, address.parse()?, (*protocol).to_string()).await,
        _ => Err("usage: interop listen|dial ADDR|pipe ADDR PROTOCOL; see README.md".into()),
    }
}
