//! A rust-libp2p host for dchat's benchmarks; see ../../README.md.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Stream, StreamProtocol, SwarmBuilder, identify, noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::io::AsyncBufReadExt;

type Failure = Box<dyn Error + Send + Sync>;
type Receivers = Arc<Mutex<HashMap<u32, futures::io::WriteHalf<Stream>>>>;

const HOLD: StreamProtocol = StreamProtocol::new("/dchat/bench/hold/1");
const FORWARD: StreamProtocol = StreamProtocol::new("/dchat/bench/forward/1");
const BUFFER_BYTES: usize = 64 << 10;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    stream: libp2p_stream::Behaviour,
}

/// Registers a receiver, or forwards a sender's bytes to the receiver of its pair.
async fn forward(mut stream: Stream, receivers: Receivers) -> Result<(), Failure> {
    let mut head = [0u8; 5];
    stream.read_exact(&mut head).await?;
    let pair = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let (mut reader, mut writer) = stream.split();
    if head[0] == b'R' {
        writer.write_all(b"1").await?;
        writer.flush().await?;
        receivers.lock().expect("no holder panics").insert(pair, writer);
        let mut byte = [0u8; 1];
        while reader.read(&mut byte).await? > 0 {}
        return Ok(());
    }
    let mut receiver = receivers.lock().expect("no holder panics").remove(&pair).ok_or("no receiver")?;
    let mut buffer = vec![0u8; BUFFER_BYTES];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        receiver.write_all(&buffer[..read]).await?;
        receiver.flush().await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new("/dchat/bench/1".into(), key.public())),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(60))),
            stream: libp2p_stream::Behaviour::new(),
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build();
    let mut control = swarm.behaviour().stream.new_control();
    let mut held = control.accept(HOLD)?;
    tokio::spawn(async move {
        while let Some((_, mut stream)) = held.next().await {
            tokio::spawn(async move {
                let mut byte = [0u8; 1];
                while matches!(stream.read(&mut byte).await, Ok(read) if read > 0) {
                    if stream.write_all(&byte).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let mut forwarded = control.accept(FORWARD)?;
    tokio::spawn(async move {
        let receivers = Receivers::default();
        while let Some((_, stream)) = forwarded.next().await {
            let receivers = receivers.clone();
            tokio::spawn(async move {
                if let Err(error) = forward(stream, receivers).await {
                    eprintln!("peer: a forwarding stream failed: {error}");
                }
            });
        }
    });
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let SwarmEvent::NewListenAddr { address, .. } = event {
                    println!("{{\"addr\":\"{address}/p2p/{}\"}}", swarm.local_peer_id());
                }
            }
            line = lines.next_line() => match line? {
                None => return Ok(()),
                // Nothing is collected in Rust; what the allocator keeps is part of its footprint.
                Some(line) if line == "gc" => println!("{{\"gc\":true}}"),
                Some(_) => {}
            }
        }
    }
}
