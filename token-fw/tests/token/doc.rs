//! The example in the documentation of the CDOC2 application is what a card does.

use cdoc2_nostd::Curve;
use token_proto::Profile;

use crate::client::{AUTHENTICATION_SCALAR, Client, octets, point};
use crate::sealed::Sealed;

const PAGE: &str = include_str!("../../docs/cdoc2-applet.md");

/// Commands and their responses: lines `> command` and `< response`, each with the lines after it that are further in.
fn exchanges() -> Vec<(Vec<u8>, Vec<u8>)> {
    let (_, example) = PAGE.split_once("## Example").unwrap();
    let block = example.split("```").nth(1).unwrap();
    let mut messages: Vec<String> = Vec::new();
    for line in block.lines().skip(1).filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(['>', '<']) {
            Some(first) => messages.push(first.into()),
            None => messages.last_mut().unwrap().push_str(line),
        }
    }
    messages.chunks(2).map(|pair| (octets(&pair[0]), octets(&pair[1]))).collect()
}

#[test]
fn example_is_what_a_card_does() {
    let mut client = Client::with(Profile::Esteid2018V1, Some((Curve::Secp256r1, true)));
    let exchanges = exchanges();
    assert_eq!(exchanges.len(), 6);
    for (command, response) in &exchanges {
        let answer = client.send(command);
        assert_eq!(&[&answer.data[..], &answer.sw.to_be_bytes()].concat(), response, "{command:02X?}");
    }
    // and what a sender would make for it
    let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"a header");
    let sent: Vec<u8> = exchanges[3..6].iter().flat_map(|(command, _)| &command[5..][..usize::from(command[4])]).copied().collect();
    assert_eq!(sent, sealed.data());
    assert_eq!(exchanges[5].1[..32], sealed.cek);
}
