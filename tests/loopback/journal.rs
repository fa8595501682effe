//! The journal of intents as a file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use branchline::check::Check;
use branchline::journal::{Journal, Leftovers};
use branchline_probes::{Intent, LegId, Transport};

use crate::checks::{Invented, check};
use crate::ping::{PATIENCE, Ping};

static NOBODY: Invented =
    Invented { begin: |peer| Box::new(Ping::new(Transport::Udp, peer, PATIENCE)), undo: |_| None };

const HOUR: Duration = Duration::from_secs(3600);

fn intent(port: u16) -> Intent {
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    let peer = SocketAddr::from(([192, 0, 2, 1], 3478));
    Intent { leg: LegId(0), local, peer, mark: None }
}

fn open(folder: &Path, now: SystemTime) -> (Journal, Leftovers) {
    Journal::open(folder, now).expect("the folder is ours")
}

fn lines(folder: &Path) -> usize {
    fs::read_to_string(folder.join("intents")).expect("it is there").lines().count()
}

// F32
#[test]
fn what_is_open_at_the_end_is_left_over_and_stays_so_until_it_is_settled() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let check = check(&NOBODY, "192.0.2.1", 3478);
    let (journal, _) = open(folder.path(), now);
    let first = journal.intend(&check, intent(1), now);
    let second = journal.intend(&check, intent(2), now);
    journal.settle(&first, now);
    assert_eq!(journal.open_intents(now), 1);
    drop(journal);

    // Twice: a process that dies before it has taken it back changes nothing.
    for _ in 0..2 {
        let (_, left) = open(folder.path(), now);
        assert_eq!(left.intents, std::slice::from_ref(&second));
        assert_eq!(left.intents[0].intent(), intent(2));
    }
    open(folder.path(), now).0.settle(&second, now);

    assert_eq!(open(folder.path(), now).1.intents, []);
}

// F32
#[test]
fn a_process_that_was_killed_is_told_from_one_that_ended() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());

    let (_killed, left) = open(folder.path(), now);
    assert!(!left.was_unclean, "there was none before");
    let (ended, left) = open(folder.path(), now);
    assert!(left.was_unclean);
    ended.end(now);

    assert!(!open(folder.path(), now).1.was_unclean);
}

#[test]
fn an_intent_expires_after_an_hour() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let (journal, _) = open(folder.path(), now);
    journal.intend(&check(&NOBODY, "192.0.2.1", 3478), intent(1), now);
    assert_eq!(journal.open_intents(now + HOUR + Duration::from_secs(1)), 0);

    let (_, kept) = open(folder.path(), now + HOUR - Duration::from_secs(1));
    assert_eq!((kept.intents.len(), kept.expired), (1, 0));
    // A clock that was set back makes nothing older.
    assert_eq!(open(folder.path(), now - HOUR / 2).1.intents.len(), 1);
    let (_, left) = open(folder.path(), now + HOUR + Duration::from_secs(1));

    assert_eq!((left.intents.len(), left.expired), (0, 1));
}

#[test]
fn lines_of_others_are_skipped_and_the_rest_is_read() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let (journal, _) = open(folder.path(), now);
    let key = journal.intend(&check(&NOBODY, "192.0.2.1", 3478), intent(1), now);
    drop(journal);
    let path = folder.path().join("intents");
    let good = fs::read_to_string(&path).unwrap();
    let torn = good.lines().last().unwrap().split_at(40).0;
    let strange =
        [b"\xff\xfe\x00\n{\"open\":{}}\n[]\n".as_slice(), good.as_bytes(), torn.as_bytes()];
    fs::write(&path, strange.concat()).unwrap();

    let (_, left) = open(folder.path(), now);

    assert_eq!((left.intents, left.unread), (vec![key], 4));
    // They are gone with the first start, and the file that had them can still be looked at.
    assert_eq!(open(folder.path(), now).1.unread, 0);
}

// F28
#[test]
fn the_first_file_with_lines_of_others_is_kept_beside() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let kept = folder.path().join("intents.unread");
    open(folder.path(), now);
    assert!(!kept.exists(), "there was nothing strange");

    for strange in ["not a line\n", "nor is this\n"] {
        fs::write(folder.path().join("intents"), strange).unwrap();
        assert_eq!(open(folder.path(), now).1.unread, 1);
        assert_eq!(fs::read_to_string(&kept).unwrap(), "not a line\n");
    }
}

// F28
#[test]
fn what_a_later_version_has_written_is_left_as_it_is() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let path = folder.path().join("intents");
    open(folder.path(), now);
    let ours = fs::read_to_string(&path).unwrap();
    assert!(ours.contains("\"version\":1,"), "{ours}");
    let later = ours.replace("\"version\":1,", "\"version\":2,") + "{\"moved\":{\"at\":1}}\n";
    fs::write(&path, &later).unwrap();

    let problem = Journal::open(folder.path(), now).unwrap_err();

    assert!(problem.to_string().contains("later version"), "{problem}");
    assert_eq!(fs::read_to_string(&path).unwrap(), later);
    // A line that says nothing of it is of the first version.
    fs::write(&path, "{\"begun\":{\"at\":1}}\n").unwrap();
    assert_eq!(open(folder.path(), now).1.unread, 0);
}

#[test]
fn the_file_does_not_grow_with_what_was_settled() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let check = check(&NOBODY, "192.0.2.1", 3478);
    let (journal, _) = open(folder.path(), now);
    let kept = journal.intend(&check, intent(1), now);
    for round in 0..6_000_u16 {
        let key = journal.intend(&check, intent(round + 2), now);
        journal.settle(&key, now);
    }

    assert!(lines(folder.path()) < 10_000, "{} lines", lines(folder.path()));
    assert_eq!(open(folder.path(), now).1.intents, [kept]);
}

#[test]
fn the_file_does_not_grow_with_what_is_left_either() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let check = check(&NOBODY, "192.0.2.1", 3478);
    let (journal, _) = open(folder.path(), now);
    for port in 1..6_000 {
        journal.intend(&check, intent(port), now);
    }

    assert!(lines(folder.path()) < 5_000, "{} lines", lines(folder.path()));
    let (journal, left) = open(folder.path(), now);
    assert!(left.intents.len() >= 1000);
    // What is too old makes room.
    let late = now + HOUR + Duration::from_secs(1);
    let key = journal.intend(&check, intent(20_000), late);
    assert_eq!(open(folder.path(), late).1.intents, [key]);
}

#[test]
fn a_target_that_has_moved_is_another_one() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let (journal, _) = open(folder.path(), now);
    let key = journal.intend(&check(&NOBODY, "192.0.2.1", 3478), intent(1), now);

    assert!(key.is_of(&check(&NOBODY, "192.0.2.1", 3478)));
    assert!(!key.is_of(&check(&NOBODY, "192.0.2.2", 3478)));
    assert!(!key.is_of(&check(&NOBODY, "192.0.2.1", 3479)));
}

#[test]
fn a_folder_that_cannot_hold_it_is_an_error_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("a-file");
    fs::write(&occupied, "").unwrap();

    for folder in [occupied, folder.path().join("nowhere")] {
        assert!(Journal::open(&folder, SystemTime::now()).is_err());
    }
}

#[test]
fn an_intent_of_a_far_future_is_of_a_wrong_clock_and_does_not_stay_for_ever() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let check = check(&NOBODY, "192.0.2.1", 3478);
    let (journal, _) = open(folder.path(), now);
    journal.intend(&check, intent(1), now + 2 * HOUR);
    drop(journal);

    let (_, left) = open(folder.path(), now);

    assert_eq!((left.intents.len(), left.expired), (0, 1));
}

// I2
#[test]
fn a_pipe_in_its_place_is_not_waited_for_and_a_link_beside_it_not_followed() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let precious = folder.path().join("precious");
    fs::write(&precious, "not ours").unwrap();
    std::os::unix::fs::symlink(&precious, folder.path().join("intents.new")).unwrap();

    let (journal, _) = open(folder.path(), now);
    drop(journal);

    assert_eq!(fs::read_to_string(&precious).unwrap(), "not ours");
    fs::remove_file(folder.path().join("intents")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("intents")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of coreutils");
    assert!(Journal::open(folder.path(), now).is_err());
}

// I3, I11
#[test]
fn a_server_that_never_lets_go_does_not_keep_others_from_being_noted() {
    let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let (journal, _) = Journal::open(folder.path(), now).unwrap();
    let greedy = check(&NOBODY, "127.0.0.1", 5060);
    let honest = Check { target: "another".into(), ..check(&NOBODY, "127.0.0.1", 5060) };
    for port in 0..5_000 {
        journal.intend(&greedy, intent(port), now);
    }

    let key = journal.intend(&honest, intent(1), now);

    let (_, left) = Journal::open(folder.path(), now).unwrap();
    assert!(left.intents.contains(&key), "it is noted");
    assert!(left.intents.len() < 2_200, "{}", left.intents.len());
}
