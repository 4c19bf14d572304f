//! Configurations that are right, and what is said of those that are not.

use super::*;

fn read(text: &str) -> Result<Plan, String> {
    parse(Path::new("s.toml"), text).map_err(|e| e.to_string())
}

fn texts(axis: &Axis) -> Vec<String> {
    let text = |s: &Setting| match s {
        Setting::Text(text) => text.clone(),
        Setting::Switch(on) => on.to_string(),
    };
    axis.values.iter().map(text).collect()
}

#[test]
fn grids_and_draws() {
    let plan = read(
        "model = 'ridge'\ndraws = 4\nseed = 3\n[fixed]\nat = [0, 1e3]\nflow = true\n\
         [grid]\nweight-decay = { log = [1e-5, 1e-3], points = 3 }\nsamples = { log = [10, 20], points = 40 }\n\
         seed = { from = 2, to = 8, step = 3 }\n[random]\nwidth = { integer = [100, 102] }\nnoise-std = [0.0, 0.5]\n",
    );
    let plan = plan.expect("a plan");
    assert_eq!(texts(&plan.fixed[0]), ["0,1e3"]);
    assert_eq!(plan.fixed[1].values, [Setting::Switch(true)]);
    assert_eq!(texts(&plan.grid[0]), ["1e-5", "0.0001", "0.001"]);
    assert_eq!(texts(&plan.grid[1]), (10..=20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(texts(&plan.grid[2]), ["2", "5", "8"]);
    assert!(texts(&plan.random[0]).iter().all(|w| ["100", "101", "102"].contains(&w.as_str())));
    assert!(texts(&plan.random[1]).iter().all(|s| ["0.0", "0.5"].contains(&s.as_str())));
    assert_eq!(plan.points(), 3 * 11 * 3 * 4);
}

#[test]
fn keys_that_results_have_are_kept() {
    let keep = |keep: &str, rest: &str| {
        read(&format!("model = 'ridge'\nkeep = {keep}\n{rest}")).map(|plan| plan.keep)
    };
    assert_eq!(keep("['t1', 'test_loss_error']", ""), Ok(vec!["t1".into(), "test_loss_error".into()]));
    assert_eq!(keep("['summary']", "[fixed]\nruns = 3"), Ok(vec!["summary".into()]));
    // Points of both kinds: what either has.
    assert!(keep("['summary', 't1']", "[grid]\nruns = [1, 3]").is_err());
}

/// What is wrong, and in which line.
#[test]
fn each_mistake_is_named() {
    let ridge = |rest: &str| format!("model = \"ridge\"\n{rest}\n");
    let cases = [
        ("model = ridge".to_owned(), "line 1", "not TOML"),
        ("[grid]\nseed = [1]".to_owned(), "line 1", "model is missing, expected one of ridge"),
        ("model = 'rigde'".to_owned(), "line 1", "model is \"rigde\", expected one of ridge"),
        ("model = 3".to_owned(), "line 1", "model is 3 (integer), expected text in quotes"),
        (ridge("girds = 1"), "line 2", "a sweep has no key \"girds\"; did you mean \"grid\"?"),
        (ridge("[fixed]\nwieght_decay = 1"), "line 3", "did you mean \"weight-decay\"?"),
        (
            ridge("[fixed]\ntemperature = 1"),
            "line 3",
            "ridge has no parameter \"temperature\"; there are features",
        ),
        (ridge("[fixed]\nplot = 'a.svg'"), "line 3", "about one run and not about its problem"),
        (ridge("[fixed]\n\nsamples = 1.5"), "line 4", "samples is 1.5 (float), expected a whole number"),
        (ridge("[fixed]\nsamples = true"), "line 3", "samples is true (boolean), expected a whole number"),
        (ridge("[fixed]\nflow = 1"), "line 3", "flow is 1 (integer), expected true or false"),
        (ridge("[fixed]\nfeatures = 'gausian'"), "line 3", "gausian"),
        (ridge("[fixed]\nat = [0, 'x']"), "line 3", "\"x\" is not a number"),
        (ridge("[fixed]\nlabels = 'y.npy'\nteacher = 'unit'"), "line", "cannot be used with"),
        (ridge("[fixed]\nfixed = 1"), "line 3", "ridge has no parameter \"fixed\""),
        (ridge("[grid]\nsamples = []"), "line 3", "samples is [] (array), expected a list of values"),
        (ridge("[grid]\nsamples = 5"), "line 3", "samples is 5 (integer), expected a list of values"),
        (ridge("[grid]\nseed = { from = 3, to = 1 }"), "line 3", "from ≤ to"),
        (ridge("[grid]\nstep-size = { log = [0, 1], points = 3 }"), "line 3", "step-size: from is 0"),
        (ridge("[grid]\nstep-size = { log = [0.1, 1] }"), "line 3", "points = n beside log"),
        (ridge("[grid]\nstep-size = { lin = [0, 1], points = 3 }"), "line 3", "no key \"lin\""),
        (ridge("[grid]\nstep-size = { log = [1, 2, 3], points = 3 }"), "line 3", "two numbers: [from, to]"),
        (ridge("[fixed]\nseed = 1\n[grid]\nseed = [1, 2]"), "line 5", "in [grid] and, line 3, in [fixed]"),
        (ridge("[random]\nseed = [1, 2]"), "line 2", "draws = N"),
        (ridge("draws = 3"), "line 2", "goes with [random]"),
        (ridge("draws = 0\n[random]\nseed = [1]"), "line 2", "draws is 0 (integer), expected at least 1"),
        (ridge("draws = 2\n[random]\nseed = { integer = [1.5, 2] }"), "line 4", "two whole numbers"),
        (ridge("draws = 2\n[random]\nstep-size = { normal = [1, 2] }"), "line 4", "no key \"normal\""),
        (ridge("draws = 2\n[random]\nstep-size = { uniform = [2, 1] }"), "line 4", "above from = 2"),
        (ridge("keep = 't1'"), "line 2", "a list of keys"),
        (
            ridge("\nkeep = ['t1', 'tset_loss']"),
            "line 3",
            "no key \"tset_loss\"; did you mean \"test_loss\"?",
        ),
        (ridge("keep = ['nullity']"), "line 2", "no key \"nullity\"; there are t1, t2"),
        (ridge("keep = ['summary']"), "line 2", "no key \"summary\""),
        (ridge("keep = ['t1']\n[fixed]\nruns = 3"), "line 2", "no key \"t1\"; there are runs, summary"),
    ];
    for (text, line, what) in cases {
        let error = read(&text).err().unwrap_or_else(|| panic!("{text:?} was taken"));
        assert!(error.contains(line) && error.contains(what), "{text:?}: {error}");
    }
}
