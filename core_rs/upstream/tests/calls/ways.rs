//! Through a proxy, and whose certificates are believed.

use chenu_upstream::{Client, Failure, NoCertificates, Proxy, Trust, Unreached, Way};

use crate::provider::{Provider, Seen, answer, sized};
use crate::{NOWHERE, ask, straight, text};

fn through(proxy: &Provider, authorization: Option<&str>) -> Client {
    let address = proxy.url.trim_end_matches("/v1/chat/completions");
    let proxy = Proxy::new(address, authorization.map(str::to_owned)).unwrap();
    Client::open(Way { proxy: Some(proxy), trust: None }).unwrap()
}

fn asked_of(proxy: &Provider) -> String {
    let (Seen::Connected, Seen::Asked(request)) = (proxy.next(), proxy.next()) else { panic!() };
    request
}

#[test]
fn a_proxy_is_given_the_whole_address_and_who_asks() {
    let proxy = Provider::new(|_, connection| {
        connection.asked();
        connection.send(sized(&answer("Hi")));
    });
    let client = through(&proxy, Some("Basic dTpw"));

    assert_eq!(text("Hi"), ask(&client, "http://models.invalid/base/x?y=z").outcome());
    let request = asked_of(&proxy);
    assert!(request.starts_with("POST http://models.invalid/base/x?y=z HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: models.invalid\r\n"), "{request}");
    assert!(request.contains("proxy-authorization: Basic dTpw\r\n"), "{request}");
}

#[test]
fn a_tunnel_is_dug_without_the_request() {
    let proxy = Provider::new(|_, connection| {
        connection.asked();
        connection.send("HTTP/1.1 403 No\r\n\r\n");
    });
    let client = through(&proxy, Some("Basic dTpw"));
    let asked = ask(&client, "https://models.invalid/base");

    assert_eq!((Failure::Unreached(Unreached::Proxy), false), asked.failure());
    let expected = "CONNECT models.invalid:443 HTTP/1.1\r\nHost: models.invalid:443\r\n\
                    Proxy-Authorization: Basic dTpw\r\n\r\n";
    assert_eq!(expected, asked_of(&proxy));
}

#[test]
fn what_a_tunnel_leads_to_must_speak_tls() {
    let proxy = Provider::new(|_, connection| {
        connection.asked();
        connection.send("HTTP/1.1 200 Connected\r\n\r\n");
        connection.send("this is no TLS");
    });
    let client = through(&proxy, None);
    let asked = ask(&client, "https://models.invalid/base");

    assert_eq!((Failure::Unreached(Unreached::Tls), false), asked.failure());
}

#[test]
fn a_proxy_that_is_not_there_is_told_apart() {
    let proxy = Proxy::new(NOWHERE, None).unwrap();
    let client = Client::open(Way { proxy: Some(proxy), trust: None }).unwrap();

    let expected = (Failure::Unreached(Unreached::Proxy), false);
    assert_eq!(expected, ask(&client, "http://models.invalid/").failure());
}

#[test]
fn what_speaks_no_tls_is_told_apart() {
    let provider = Provider::new(|_, connection| connection.send("HTTP/1.1 400 No\r\n\r\n"));
    let url = provider.url.replace("http:", "https:");

    let expected = (Failure::Unreached(Unreached::Tls), false);
    assert_eq!(expected, ask(&straight(), &url).failure());
}

#[test]
fn a_file_without_a_certificate_is_none() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(Trust::of_pem(pem.as_bytes()), Err(NoCertificates)), "{pem}");
    }
}
