//! Connects and reports every check as a line of JSON; a failed check doesn't stop the others.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, future::try_join_all};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, swarm::SwarmEvent};
use libp2p_stream::Control;
use rand::RngCore;
use serde_json::{Value, json};

use crate::{Behaviour, BehaviourEvent, ECHO, Failure, peer_of, report};

const ECHO_BYTES: usize = 1 << 20;
const STREAMS: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(30);

fn check(name: &str, outcome: Result<Value, Failure>) {
    report(match outcome {
        Ok(detail) => json!({ "check": name, "ok": true, "detail": detail }),
        Err(error) => json!({ "check": name, "ok": false, "detail": error.to_string() }),
    });
}

pub async fn dial(mut swarm: Swarm<Behaviour>, address: Multiaddr) -> Result<(), Failure> {
    let peer = peer_of(&address)?;
    let control = swarm.behaviour().stream.new_control();
    swarm.dial(address)?;
    tokio::time::timeout(TIMEOUT, greet(&mut swarm)).await??;
    tokio::spawn(async move { loop { swarm.select_next_some().await; } });
    tokio::time::timeout(TIMEOUT, streams(control, peer)).await?;
    Ok(())
}

/// Waits for the connection, what identify says, and three pings.
async fn greet(swarm: &mut Swarm<Behaviour>) -> Result<(), Failure> {
    let (mut identified, mut pings) = (false, 0);
    while !identified || pings < 3 {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => check("connect", Ok(Value::Null)),
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                check("connect", Err(error.to_string().into()));
                return Err(error.into());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(libp2p::identify::Event::Received { info, .. })) => {
                identified = true;
                check("identify", Ok(json!({
                    "agent": info.agent_version,
                    "protocols": info.protocols.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "addresses": info.listen_addrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "observed": info.observed_addr.to_string(),
                })));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => match event.result {
                Ok(_) => pings += 1,
                Err(error) => {
                    check("ping", Err(error.to_string().into()));
                    return Err("ping failed".into());
                }
            },
            SwarmEvent::ConnectionClosed { cause, .. } => return Err(format!("closed: {cause:?}").into()),
            _ => {}
        }
    }
    check("ping", Ok(Value::Null));
    Ok(())
}

async fn streams(mut control: Control, peer: PeerId) {
    let absent = StreamProtocol::new("/dchat/interop/absent/1");
    check("unknown", match control.open_stream(peer, absent).await {
        Ok(_) => Err("an unknown protocol was accepted".into()),
        Err(error) => Ok(json!(error.to_string())),
    });
    check("echo", echo(control.clone(), peer, ECHO_BYTES).await);
    let many = (0..STREAMS).map(|_| echo(control.clone(), peer, 10_000));
    check("streams", try_join_all(many).await.map(|_| Value::Null));
    check("reset", reset(control, peer).await);
}

/// Writes while it reads, half-closes, and wants back what it wrote and then the end.
async fn echo(mut control: Control, peer: PeerId, length: usize) -> Result<Value, Failure> {
    let stream = control.open_stream(peer, ECHO).await?;
    let mut sent = vec![0u8; length];
    rand::thread_rng().fill_bytes(&mut sent);
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(&sent).await?;
        writer.close().await
    };
    let mut got = Vec::with_capacity(length);
    let (written, read) = futures::join!(write, reader.read_to_end(&mut got));
    written?;
    read?;
    if sent == got { Ok(Value::Null) } else { Err(format!("sent {length} bytes, got {} others back", got.len()).into()) }
}

/// Drops a stream in the middle, which resets it, and then wants the connection to carry another one.
async fn reset(mut control: Control, peer: PeerId) -> Result<Value, Failure> {
    let mut stream = control.open_stream(peer, ECHO).await?;
    stream.write_all(b"half a").await?;
    stream.flush().await?;
    drop(stream);
    echo(control, peer, 100).await
}
