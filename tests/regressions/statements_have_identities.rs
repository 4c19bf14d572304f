//! Every statement has an identity that stays, a sentence, and, where its printed form is known to fail, the reason.

use std::collections::BTreeSet;

use groktime::theorem::Source;
use groktime::{completion, diagonal, effective, network, ridge};

fn all() -> Vec<&'static Source> {
    [
        ridge::theorems::catalogue::ALL,
        diagonal::theorems::catalogue::ALL,
        completion::theorems::catalogue::ALL,
        effective::theorems::catalogue::ALL,
        network::theorems::catalogue::ALL,
    ]
    .concat()
}

#[test]
fn identities_are_unique_and_sentences_whole() {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for source in all() {
        let Source { paper, key, number, says, erratum } = *source;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".:-".contains(c);
        assert!(key.chars().all(plain) && !key.is_empty(), "{key}");
        assert!(ids.insert((paper, key)), "{paper}:{key} twice");
        assert!(names.insert((paper, number)), "{source} twice");
        assert!(says.ends_with('.') && !says.starts_with(|c: char| c.is_ascii_lowercase()), "{says}");
        assert!(erratum.is_none_or(|why| !why.is_empty()), "{source}");
    }
    assert!(ids.len() > 100);
}

/// What a run says is in the catalogue of its model.
#[test]
fn statements_are_in_their_catalogue() {
    let drawn = ridge::Recipe { width: 60, samples: 20, ..Default::default() }.draw().unwrap();
    let spectrum = drawn.problem().spectrum(Default::default()).unwrap();
    let judged = spectrum.descent(&Default::default()).unwrap().statements(&Default::default()).unwrap();
    let task = effective::Task::addition(6).unwrap();
    let problem = effective::Problem::full(task);
    let structure = problem.spectrum(Default::default()).unwrap().statements().unwrap();
    for (judged, catalogue) in
        [(judged, ridge::theorems::catalogue::ALL), (structure, effective::theorems::catalogue::ALL)]
    {
        assert!(!judged.is_empty());
        for j in judged {
            assert!(catalogue.contains(&j.statement.source), "{}", j.statement.source);
            assert!(
                j.statement
                    .id()
                    .starts_with(&format!("{}:{}", j.statement.source.paper, j.statement.source.key))
            );
        }
    }
}
