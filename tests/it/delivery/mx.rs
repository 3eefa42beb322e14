//! Who takes a domain's mail is looked up in the background, once.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use jobalerts::stage::Stage as _;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::people_at;
use crate::harness::events::Event;
use crate::harness::{Delivered, Road, soon};

const MX: u16 = 15;

/// A name server (RFC 1035, section 4) that knows a few domains.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut octets = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut octets).await {
                let (name, end) = name(&octets[12..length]);
                heard.lock().unwrap().push(name.clone());
                if let Some(reply) = reply(&octets[..12 + end + 4], &name) {
                    socket.send_to(&reply, from).await.unwrap();
                }
            }
        });
        Self { address, asked, task }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The name that a question begins with, and where it ends.
fn name(question: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 0);
    while question[at] > 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..end].to_ascii_lowercase()).unwrap());
        at = end;
    }
    (labels.join("."), at + 1)
}

/// The reply to a question, up to the end of which `query` goes; none if the server hangs.
fn reply(query: &[u8], name: &str) -> Option<Vec<u8>> {
    let (code, hosts): (u8, &[&str]) = match name {
        "hosted.example" => (0, &["aspmx.l.google.com", "alt1.aspmx.l.google.com"]),
        "nobody.example" => (0, &[""]),
        "plain.example" => (0, &[]),
        "gone.example" => (3, &[]),
        _ => return None,
    };
    let count = u8::try_from(hosts.len()).unwrap();
    let mut reply = query.to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    for host in hosts {
        let labels = host.split('.').filter(|label| !label.is_empty());
        let mut written: Vec<u8> = labels
            .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
            .collect();
        written.push(0);
        let length = u16::try_from(written.len() + 2).unwrap();
        reply.extend([0xc0, 12]);
        reply.extend([MX, 1].map(u16::to_be_bytes).concat());
        reply.extend(300_u32.to_be_bytes());
        reply.extend([length, 0].map(u16::to_be_bytes).concat());
        reply.extend(written);
    }
    Some(reply)
}

/// S13, and who is whose by their mail servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_a_domains_mail_is_looked_up_and_no_mail_waits_for_it() {
    const DOMAINS: [&str; 5] =
        ["gone.example", "hanging.example", "hosted.example", "nobody.example", "plain.example"];
    let server = NameServer::start().await;
    let road = Road::setup()
        .set("providers.mx_lookup", "true")
        .set("providers.mx_server", &server.address.to_string())
        .set("providers.mx_timeout", "2s")
        .build()
        .await;
    for domain in DOMAINS.into_iter().chain(["gmail.com"]) {
        road.import(&people_at(domain, 1)).await;
    }
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    let mut delivery = road.delivery();
    soon("the first mails", delivery.drain()).await.unwrap();
    // The one that takes none may be known by then.
    assert!(road.mails().len() >= 5);
    soon("all answers", async { while road.count("select count(*) from mail_domains").await < 5 {} }).await;
    let known: Vec<(String, Option<Vec<String>>, bool)> =
        road.rows("select domain, servers, nobody from mail_domains order by domain").await;
    let google = ["aspmx.l.google.com", "alt1.aspmx.l.google.com"].map(str::to_owned).to_vec();
    let expected = [(None, false), (None, false), (Some(google), false), (None, true), (Some(vec![]), false)];
    let expected: Vec<_> = DOMAINS.into_iter().zip(expected).collect();
    assert_eq!(known.len(), 5);
    for ((domain, servers, nobody), (name, expected)) in known.into_iter().zip(expected) {
        assert_eq!((domain.as_str(), (servers, nobody)), (name, expected));
    }

    road.hears(&[Event::opened("230000BB")]).await;
    road.match_all().await;
    soon("the second mails", delivery.drain()).await.unwrap();
    soon("the end", delivery.finish()).await;
    let others = road.mails().iter().filter(|mail| !mail.rcpt_to[0].ends_with("nobody.example")).count();
    assert_eq!(others, 2 * 5);
    let refused: Vec<(String, String, String)> = road
        .rows("select provider, reply, verdict from mails where outcome = 'refused' order by id desc")
        .await;
    // Who takes none is written to no more once that is known: after the first mail, or the second.
    assert!((2 * 6 - 1..=2 * 6).contains(&(refused.len() + road.mails().len())));
    assert_eq!((refused[0].0.as_str(), refused[0].2.as_str()), ("nobody.example", "no-mailbox"));
    assert!(refused[0].1.starts_with("556 5.1.10 "), "{refused:?}");
    assert!(road.count("select count(*) from mails where provider = 'google'").await >= 3);
    assert_eq!(server.asked(), DOMAINS);
}

/// Without the switch nobody is asked.
#[tokio::test]
async fn nothing_is_looked_up_unless_it_is_wished() {
    let server = NameServer::start().await;
    let road = Road::setup().set("providers.mx_server", &server.address.to_string()).build().await;
    road.import(&people_at("nobody.example", 1)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert!(server.asked().is_empty());
}
