use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Reader;
use super::*;
use crate::domain::cadence::{Cadence, ScheduleName};

type Variables = BTreeMap<String, String>;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let environment = variables(environment);
    let reader = Reader::new(&environment).with_file(Path::new("config/jobalerts.toml"), file);
    match Config::read(reader.map_err(|problem| Problems::new(vec![problem]))?) {
        (config, None) => Ok(config),
        (_, Some(problems)) => Err(problems),
    }
}

#[track_caller]
fn refused(file: &str, environment: &[(&str, &str)]) -> String {
    read(file, environment).expect_err("there is a mistake").to_string()
}

/// A directory of this test's own, gone at its end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("jobalerts-config-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_shipped_file_says_what_the_program_does() {
    let shipped = read(SHIPPED, &[]).unwrap();
    let built_in = read("", &[]).unwrap();
    let unsourced = |config: &Config| Config { shown: Vec::new(), ..config.clone() };
    assert_eq!(unsourced(&shipped), unsourced(&built_in));
}

#[test]
fn the_shipped_file_names_every_key_and_no_other() {
    // The examples in comments count: with their # removed all of them must be known.
    let mut section = "";
    let mut named = Vec::new();
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let setting = line.strip_prefix("# ").unwrap_or(line);
        if let Some((key, _)) = setting.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            named.push((section.to_owned(), key.to_owned()));
        }
    }
    named.sort();
    let environment = Variables::new();
    let mut reader = Reader::new(&environment);
    Config::read_sections(&mut reader);
    let mut known = reader.known().to_vec();
    known.sort();
    assert_eq!(named, known);
}

#[test]
fn all_mistakes_are_named_at_once() {
    let file = r#"
rehearsal = "yes"
conections = 3
[smtp]
connections = "many"
timeout_data = 120
retry = ["20m", "soon"]
from = "Zoe <zoe.example.org>"
discreet_name = "Midshire Police"
hello_name = "https://alerts.midshire.example"
[amqp]
prefetch = 10_001
exchange = "amq.topic"
[schedules]
daily = "0 8 * * *"
weekly = "0 0 8 * * 1"
[time]
zone = "Europe/Lodnon"
[web]
public_url = "http://careers.midshire.example"
[links]
allowed_hosts = "careers.midshire.example"
[log]
level = "inof"
format = "xml"
"#;
    let expected = r#"config/jobalerts.toml:2: rehearsal: expected true or false, found "yes"
config/jobalerts.toml:3: conections: there is no such key
config/jobalerts.toml:5: smtp.connections: expected a whole number from 1 to 256, found "many"
config/jobalerts.toml:6: smtp.timeout_data: expected a duration with its unit, such as "90s", "20m", "2h30m" or "7d", at most a year, found 120
config/jobalerts.toml:7: smtp.retry: item 2: expected a duration with its unit, such as "90s", "20m", "2h30m" or "7d", at most a year, found "soon"
config/jobalerts.toml:8: smtp.from: the address has no @; write it as name@example.org
config/jobalerts.toml:9: smtp.discreet_name: expected a name that gives nothing away to an onlooker; leave out "police", found "Midshire Police"
config/jobalerts.toml:10: smtp.hello_name: expected a host name only, such as careers.example.org (the domain is not a valid name; use letters, digits and hyphens, such as example.org), found "https://alerts.midshire.example"
config/jobalerts.toml:12: amqp.prefetch: expected a whole number from 1 to 10000, found 10001
config/jobalerts.toml:13: amqp.exchange: expected another name; RabbitMQ keeps those that begin with amq. for itself, found "amq.topic"
config/jobalerts.toml:15: schedules.daily: expected six fields (second minute hour day month weekday), such as "0 0 8 * * Mon", found "0 8 * * *"
config/jobalerts.toml:16: schedules.weekly: expected the weekday by name (Mon, or Mon-Fri): as a number, 1 is Sunday here and Monday elsewhere, found "0 0 8 * * 1"
config/jobalerts.toml:18: time.zone: expected a time zone of the IANA list, such as Europe/London, found "Europe/Lodnon"
config/jobalerts.toml:20: web.public_url: expected a URL that begins with https://, found "http://careers.midshire.example"
config/jobalerts.toml:22: links.allowed_hosts: expected a list such as ["a", "b"], found "careers.midshire.example"
config/jobalerts.toml:24: log.level: expected off, error, warn, info, debug or trace, also per module as in "info,jobalerts::delivery=debug", found "inof"
config/jobalerts.toml:25: log.format: expected "auto", "human", "json" or "journald", found "xml"
JOBALERTS_DATABASE__CONNECTIONS: database.connections: expected a whole number from 2 to 100, found "1"
JOBALERTS_SMTP__FORM: there is no such setting; did you mean JOBALERTS_SMTP__FROM?"#;
    let environment = [("JOBALERTS_DATABASE__CONNECTIONS", "1"), ("JOBALERTS_SMTP__FORM", "a@example.org")];
    assert_eq!(refused(file, &environment), expected);
}

#[test]
fn unknown_names_come_with_the_nearest_known_one() {
    for (file, message) in [
        ("rehersal = true", "1: rehersal: there is no such key; did you mean rehearsal?"),
        ("[smpt]\nurl = 'x'", "1: smpt: there is no such section; did you mean [smtp]?"),
        ("[rehearsal]", "1: rehearsal: there is no such section"),
        ("[smtp]\nconection = 1", "2: smtp.conection: there is no such key; did you mean connections?"),
        ("[smtp]\nprefetch = 1", "2: smtp.prefetch: there is no such key; did you mean amqp.prefetch?"),
        ("smtp.conections = 1", "1: smtp.conections: there is no such key; did you mean connections?"),
        ("smtp = 'localhost'", "1: smtp: this is a section; write [smtp] and its keys below it"),
        ("[[smtp]]\nconnections = 1", "1: smtp: this is a section; write [smtp] and its keys below it"),
        (
            "[smtp.connections]\nmost = 1",
            "1: smtp.connections: expected a whole number from 1 to 256, found a section",
        ),
        ("'smtp.connections' = 1", "1: smtp.connections: there is no such key"),
        ("[delivery]\nbatch = 1", "1: delivery: there is no such section"),
    ] {
        assert_eq!(refused(file, &[]), format!("config/jobalerts.toml:{message}"));
    }
}

#[test]
fn variables_that_look_like_settings_must_be_settings() {
    for (name, near) in [
        ("JOBALERTS_SMTP__CONNECTION", Some("JOBALERTS_SMTP__CONNECTIONS")),
        ("JOBALERTS_SMTP_CONNECTIONS", Some("JOBALERTS_SMTP__CONNECTIONS")),
        ("JOBALERTS_REHERSAL", Some("JOBALERTS_REHEARSAL")),
        ("JOBALERTS_MAIL__SERVER_NAME", None),
    ] {
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        assert_eq!(refused("", &[(name, "1")]), format!("{name}: there is no such setting{hint}"));
    }
    let others = [
        ("JOBALERTS_CONFIG", "x"),
        ("JOBALERTS_LOG", "x"),
        ("JOBALERTS_DEV_DATABASE__URL", "x"),
        ("JOBALERTS_PORT", "tcp://10.0.0.1:80"),
        ("JOBALERTS_SERVICE_HOST", "10.0.0.1"),
        ("SMTP__CONNECTIONS", "many"),
    ];
    read("", &others).unwrap();
}

#[test]
fn broken_toml_is_one_problem_with_its_line_and_column() {
    let message =
        refused("rehearsal = false\n[smtp]\nurl = smtp://zoe:hunter2@host\n", &[("JOBALERTS_X__Y", "1")]);
    assert!(message.starts_with("config/jobalerts.toml:3:7: this is not valid TOML: "), "{message}");
    assert!(!message.contains("hunter2") && !message.contains('\n'), "{message}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[smtp]\nconnections = 2\nmails_per_connection = 7\nretry = ['1h']";
    let config = read(
        file,
        &[
            ("JOBALERTS_REHEARSAL", "true"),
            ("JOBALERTS_SMTP__CONNECTIONS", "32"),
            ("JOBALERTS_SMTP__MAILS_PER_CONNECTION", ""),
            ("JOBALERTS_SMTP__RETRY", "5m, 10m"),
            ("JOBALERTS_SMTP__FROM", "Lee, Ann <ann@example.org>"),
            ("JOBALERTS_TESTING__ADDRESSES", "ann@example.org,Zoe@Example.org"),
            ("JOBALERTS_LINKS__ALLOWED_HOSTS", r#"["Bücher.example", "jobs.example"]"#),
            ("JOBALERTS_INTAKE__TEST_REFERENCES", "[]"),
        ],
    )
    .unwrap();
    assert!(config.rehearsal);
    assert_eq!((config.smtp.connections, config.smtp.mails_per_connection), (32, 7));
    assert_eq!([1, 2, 3].map(|n| config.smtp.retry.after(n).as_secs()), [300, 600, 600]);
    assert_eq!(config.smtp.from.name(), Some("Lee, Ann"));
    assert_eq!(config.testing.addresses[1].as_str(), "Zoe@example.org");
    assert_eq!(config.links.allowed_hosts, ["xn--bcher-kva.example", "jobs.example"]);
    assert!(config.intake.test_references.is_empty());
}

#[test]
fn urls_come_from_the_nearest_of_their_sources() {
    const FILE: &str = "[database]\nurl = 'postgres://a@localhost/in-file'\n[amqp]\nurl = 'amqp://in-file'";
    let database = |environment: &[(&str, &str)]| {
        let config = read(FILE, environment).unwrap();
        config.database.url.expose().to_owned()
    };
    let alias = ("DATABASE_URL", "postgres://localhost/alias");
    let own = ("JOBALERTS_DATABASE__URL", "postgres://localhost/own");
    assert_eq!(database(&[]), "postgres://a@localhost/in-file");
    assert_eq!(database(&[alias]), "postgres://localhost/alias");
    assert_eq!(database(&[alias, own]), "postgres://localhost/own");
    let config = read(FILE, &[("AMQP_URL", "amqps://alias")]).unwrap();
    assert_eq!(config.amqp.url.expose(), "amqps://alias");
    assert!(config.show().contains("# AMQP_URL"));
}

#[test]
fn secrets_are_read_from_files() {
    let directory = Directory::new();
    let secret = directory.write("smtp", "smtps://zoe:hunter2@mail.example\n");
    directory.write("empty", "\n");
    let file = directory.write(
        "jobalerts.toml",
        "[smtp]\nurl_file = 'smtp'\nca_file = 'ca.pem'\n[amqp]\nca_file = 'broker.pem'\n",
    );

    let config = Config::load(Some(&file), &Variables::new()).unwrap();
    let credentials = config.smtp.url.credentials.as_ref().unwrap();
    assert_eq!(credentials.password.expose(), "hunter2");
    assert_eq!(config.smtp.ca_file, Some(directory.0.join("ca.pem")));
    assert_eq!(config.amqp.ca_file, Some(directory.0.join("broker.pem")));
    let source = format!(" # {}", secret.display());
    let shown = config.show();
    let line = shown.lines().find(|line| line.ends_with(&source)).unwrap();
    assert!(line.starts_with("url = \"smtps://***@mail.example:465\""), "{line}");

    // From systemd's credentials, and over the file's own.
    let credentials = directory.0.to_str().unwrap();
    let environment = variables(&[
        ("CREDENTIALS_DIRECTORY", credentials),
        ("JOBALERTS_DATABASE__URL_FILE", "$CREDENTIALS_DIRECTORY/database"),
        ("DATABASE_URL", "postgres://localhost/alias"),
        ("JOBALERTS_SMTP__URL", "smtp://own"),
    ]);
    directory.write("database", "postgres://localhost/secret");
    let config = Config::load(Some(&file), &environment).unwrap();
    assert_eq!(config.database.url.expose(), "postgres://localhost/secret");
    assert_eq!(config.smtp.url.host, "own");

    let both = "[smtp]\nurl_file = 'smtp'\nurl = 'smtp://a'\n[amqp]\nurl_file = 'none'\n[database]\nurl_file = '$CREDENTIALS_DIRECTORY/x'";
    let file = directory.write("both.toml", both);
    let environment = variables(&[("JOBALERTS_AMQP__URL_FILE", "empty")]);
    let problems = Config::load(Some(&file), &environment).unwrap_err();
    let at = file.display();
    let expected = format!(
        "{at}:2: smtp.url_file: url is given as well; keep one of the two\n\
         {at}:7: database.url_file: CREDENTIALS_DIRECTORY is not set; systemd sets it where the unit has LoadCredential=, found \"$CREDENTIALS_DIRECTORY/x\"\n\
         JOBALERTS_AMQP__URL_FILE: amqp.url_file: the secret cannot be read from {}: it is empty",
        directory.0.join("empty").display()
    );
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn a_file_that_was_named_must_exist() {
    let missing = "/nowhere/jobalerts.toml";
    let problems = Config::load(Some(Path::new(missing)), &Variables::new()).unwrap_err().to_string();
    assert!(problems.starts_with(&format!("{missing}: the configuration cannot be read: ")), "{problems}");
    let environment = variables(&[("JOBALERTS_CONFIG", missing)]);
    let problems = Config::load(None, &environment).unwrap_err().to_string();
    assert!(problems.starts_with(&format!("{missing}: JOBALERTS_CONFIG: the configuration")), "{problems}");
}

#[test]
fn secrets_are_never_shown() {
    let urls = [
        ("JOBALERTS_DATABASE__URL", "postgres://zoe:hunter2@a:1,b:2/jobs?sslmode=require&password=hunter2"),
        ("JOBALERTS_AMQP__URL", "amqps://zoe:hun/ter2@rabbit/v?heartbeat=10&key=hunter2"),
        ("JOBALERTS_SMTP__URL", "smtp://zoe:hunter2@mail.example:587?tls=required"),
        ("JOBALERTS_TESTING__ADDRESSES", "zoe@example.org"),
    ];
    // A password that was not encoded is refused or shown as nothing, but not shown.
    let refusal = refused("", &urls);
    assert!(refusal.contains("write %40 for @") && !refusal.contains("ter2"), "{refusal}");

    let mut urls = urls;
    urls[1].1 = "amqps://zoe:hunter2@rabbit/v?heartbeat=10&key=hunter2";
    let config = read("", &urls).unwrap();
    for shown in [config.show(), format!("{config:?}"), format!("{config:#?}")] {
        assert!(!shown.contains("zoe:") && !shown.contains("zoe@") && !shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(config.database.url.redacted(), "postgres://***@a:1,b:2/jobs?sslmode=require&***");
    assert_eq!(config.amqp.url.redacted(), "amqps://***@rabbit/v?heartbeat=10&***");
    assert_eq!(config.smtp.url.redacted(), "smtp://***@mail.example:587?tls=required");
    let at_last = SecretUrl::postgres("postgres://localhost/db?password=hun@ter2").unwrap();
    assert_eq!(at_last.redacted(), "postgres://***");

    // Nor in any refusal.
    for key in ["DATABASE__URL", "AMQP__URL", "SMTP__URL", "SMTP__URL_FILE"] {
        for url in [
            "http://zoe:hunter2@host",
            "postgres://zoe:hunter2@host:port",
            "smtp://zoe:hunter2@host",
            "amqp://zoe:hunter2@ho st",
            "://hunter2",
        ] {
            let refusal = read("", &[(&format!("JOBALERTS_{key}"), url)]).err();
            let refusal = refusal.map(|problems| problems.to_string()).unwrap_or_default();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}

#[test]
fn a_url_names_one_host_or_several() {
    for good in ["postgres://u@127.0.0.1:1,[::1]:2/db", "postgres://u@a:1,b/db?sslmode=verify-full"] {
        SecretUrl::postgres(good).unwrap();
    }
    for good in ["amqp://u:p@a:1,b:2,c/v", "amqps://a"] {
        SecretUrl::amqp(good).unwrap();
    }
    for (bad, why) in [
        ("postgres://u@127.0.0.1:1,localhost:x/db", "not a valid URL (invalid port number)"),
        ("postgres://u@localhost/db?sslmode=require&host=a,b", "several hosts stand before the path"),
        ("postgres://u@localhost/db?sslmode=require&host=a%2Cb", "several hosts stand before the path"),
        ("postgres://u@127.0.0.1:1,b:2/db", "add ?sslmode=verify-full"),
    ] {
        let error = SecretUrl::postgres(bad).unwrap_err().to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
    let error = SecretUrl::amqp("amqp://u:p@a:1,/v").unwrap_err().to_string();
    assert!(error.contains("host"), "{error}");
}

#[test]
fn schedules_must_come_round() {
    let message = refused("[schedules]\ndaily = '0 0 8 30 Feb *'\nweekly = '0 0 25 * * Mon'", &[]);
    assert!(message.contains("there is no such day") && message.contains("as cron has them"), "{message}");
    let config = read("[schedules]\nweekly = '0 30 7 * * Mon-Fri'", &[]).unwrap();
    assert_eq!(config.schedules.others[&ScheduleName::WEEKLY].cron.as_str(), "0 30 7 * * Mon-Fri");
}

#[test]
fn operators_name_schedules_of_their_own() {
    // As the manual has it.
    let example =
        SHIPPED.lines().find_map(|line| line.strip_prefix("#   ").filter(|l| l.contains("lunchtime")));
    let file = format!("[schedules]\n{}\nmid-morning2 = '0 0 10 * * *'", example.unwrap());
    let environment = [
        ("JOBALERTS_SCHEDULES__EARLY_SHIFT", "0 0 5 * * *"),
        ("JOBALERTS_SCHEDULES__MID_MORNING2", "0 30 10 * * *"),
        ("JOBALERTS_SCHEDULES__NOT_SET", ""),
    ];
    let config = read(&file, &environment).unwrap();
    let said: Vec<String> =
        config.schedules.iter().map(|(name, times)| format!("{name}: {}", times.cron.as_str())).collect();
    assert_eq!(
        said,
        [
            "daily: 0 0 8 * * *",
            "early-shift: 0 0 5 * * *",
            "lunchtime: 0 30 12 * * Mon-Fri",
            "mid-morning2: 0 30 10 * * *",
            "weekly: 0 0 8 * * Mon",
        ]
    );
    assert!(config.show().contains("early-shift = \"0 0 5 * * *\""), "{}", config.show());
    let names: Vec<String> = config.rhythm().names().map(|name| name.to_string()).collect();
    assert_eq!(names, ["daily", "early-shift", "lunchtime", "mid-morning2", "weekly"]);
}

#[test]
fn schedules_may_run_on_working_days_only() {
    // As the manual has it.
    let example = SHIPPED.lines().find_map(|line| line.strip_prefix("#   ").filter(|l| l.contains("office")));
    let file = format!("[schedules]\n{}\n[schedules.weekly]\ncron = '0 0 8 * * Mon'", example.unwrap());
    let environment = [("JOBALERTS_SCHEDULES__LATE", "{ cron = '0 0 20 * * *', working_days = true }")];
    let config = read(&file, &environment).unwrap();
    let working: Vec<(String, bool)> =
        config.schedules.iter().map(|(name, times)| (name.to_string(), times.working_days)).collect();
    let expected = [("daily", false), ("late", true), ("office", true), ("weekly", false)];
    assert_eq!(working, expected.map(|(name, working)| (name.to_owned(), working)));
    let shown = config.show();
    assert!(shown.contains(r#"office = { cron = "0 0 9 * * *", working_days = true }"#), "{shown}");
    let office = Cadence::scheduled("office".parse().unwrap());
    let due = config.rhythm().due(office, "2024-03-28T12:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(due.to_string(), "2024-04-02 08:00:00 UTC");

    for (times, message) in [
        ("{ working_days = true }", "expected the times, as in {"),
        ("{ cron = '0 8 * * *' }", "cron: expected six fields"),
        ("{ cron = '0 0 8 * * *', working_days = 1 }", "working_days: expected true or false, found 1"),
        (
            "{ cron = '0 0 8 * * *', workdays = true }",
            "workdays: there is no such key; known are cron, working_days",
        ),
    ] {
        let said = refused(&format!("[schedules]\ndaily = {times}"), &[]);
        let expected = format!("config/jobalerts.toml:2: schedules.daily: {message}");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn a_calendar_of_ones_own_is_read_with_the_configuration() {
    let directory = Directory::new();
    let list = "reviewed = '2024-01-01'\nreview_by = '2025-01-01'\nuntil = '2024-12-31'\n[holidays]\n2024-07-12 = 'Fair'\n";
    directory.write("fair.toml", list);
    let file = directory.write("jobalerts.toml", "[time]\ncalendar = 'fair.toml'\n");
    let config = Config::load(Some(&file), &Variables::new()).unwrap();
    let calendar = &config.time.calendar.calendar;
    assert!(!calendar.is_working_day("2024-07-12".parse().unwrap()));
    assert!(calendar.is_working_day("2024-12-25".parse().unwrap()));
    assert!(config.show().contains("fair.toml\""), "{}", config.show());

    let at = file.display();
    for (text, message) in [(Some("reviewed = 1"), "line 1: "), (None, "cannot be read (")] {
        match text {
            Some(text) => drop(directory.write("fair.toml", text)),
            None => fs::remove_file(directory.0.join("fair.toml")).unwrap(),
        }
        let said = Config::load(Some(&file), &Variables::new()).unwrap_err().to_string();
        let path = directory.0.join("fair.toml");
        let expected = format!("{at}:2: time.calendar: the calendar {}: {message}", path.display());
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn operators_name_relays_of_their_own() {
    let directory = Directory::new();
    directory.write("secret", "smtps://zoe:hunter2@c.example\n");
    let file = directory.write(
        "jobalerts.toml",
        "[smtp]\nurl = 'smtp://a.example'\n[relays]\nsmtp = { weight = 3, per_day = 7 }\n\
         backup = { url = 'smtp://b.example:2525', connections = 2, per_minute = 60 }\n\
         third = { url_file = 'secret' }\n",
    );
    let environment =
        variables(&[("JOBALERTS_RELAYS__FROM_ENVIRONMENT", "{ url = 'smtp://d.example', weight = 9 }")]);
    let config = Config::load(Some(&file), &environment).unwrap();
    assert_eq!((config.relays.smtp.weight, config.relays.smtp.limits.per_day), (3, Some(7)));
    let others: Vec<(&str, &str, u16)> = config
        .relays
        .others
        .iter()
        .map(|(name, relay)| (name.as_str(), relay.url.host.as_str(), relay.share.weight))
        .collect();
    assert_eq!(
        others,
        [("backup", "b.example", 1), ("from-environment", "d.example", 9), ("third", "c.example", 1)]
    );
    assert_eq!(config.relays.others["backup"].share.limits.connections, Some(2));
    let shown = config.show();
    assert!(shown.contains(r#"third = { url = "smtps://***@c.example:465", weight = 1 }"#), "{shown}");
    assert!(!shown.contains("hunter2") && !format!("{config:?}").contains("hunter2"));

    for (relay, message) in [
        ("a = 'smtp://a.example'", "a: expected a table such as {"),
        ("a = { weight = 2 }", "a: expected either url or url_file"),
        ("a = { url = 'http://a.example' }", "a: url: expected a URL that begins with smtp://"),
        (
            "a = { url = 'smtp://a.example', weight = 0 }",
            "a: weight: expected a whole number from 1 to 1000, found 0",
        ),
        (
            "a = { url = 'smtp://a.example', rate = 2 }",
            "a: rate: there is no such key; known are url, url_file,",
        ),
        ("a = { url_file = 'none' }", "a: url_file: config/none: "),
        ("B = { url = 'smtp://a.example' }", "B: expected a name of lower-case letters"),
        ("smtp = { url = 'smtp://a.example' }", "smtp: url: there is no such key; known are weight,"),
    ] {
        let said = refused(&format!("[relays]\n{relay}"), &[]);
        assert!(said.starts_with(&format!("config/jobalerts.toml:2: relays.{message}")), "{said}");
    }
}

#[test]
fn providers_of_ones_own_are_laid_over_those_that_are_built_in() {
    let directory = Directory::new();
    directory.write("own.toml", "[groups.google]\ndomains = ['gmail.com']\nper_minute = 100");
    let file = directory.write("jobalerts.toml", "[providers]\nfile = 'own.toml'\n");
    let config = Config::load(Some(&file), &Variables::new()).unwrap();
    let providers = &config.providers.providers.providers;
    assert_eq!(providers.limits("google").per_minute, Some(100));
    assert_eq!(providers.of("icloud.com", None), "apple");
    directory.write("own.toml", "[groups.google]\nper_minute = 0");
    let said = Config::load(Some(&file), &Variables::new()).unwrap_err().to_string();
    assert!(said.contains("own.toml: groups.google: expected limits from 1"), "{said}");

    for (setting, message) in [
        ("mx_server = 'localhost'", "mx_server: expected an IP address and a port"),
        ("breaker_longest = '1m'", "breaker_longest: expected breaker_longest to be no shorter"),
    ] {
        let said = refused(&format!("[providers]\n{setting}"), &[]);
        assert!(said.starts_with(&format!("config/jobalerts.toml:2: providers.{message}")), "{said}");
    }
}

/// RFC 5321, 4.5.3.2, where the least is given.
#[test]
fn the_mail_server_is_waited_for_as_long_as_it_should_be() {
    let timeouts = read("", &[]).unwrap().smtp.timeouts;
    let minutes = |duration: Duration| duration.as_secs() / 60;
    assert!(minutes(timeouts.greeting) >= 5 && minutes(timeouts.command) >= 5);
    assert!(
        minutes(timeouts.data) >= 2 && minutes(timeouts.body) >= 3 && minutes(timeouts.final_reply) >= 10
    );
}

/// RFC 5321, 4.5.4.1: two attempts in the first hour, then one every two or three hours.
#[test]
fn mails_are_tried_again_at_the_pace_that_is_recommended() {
    let smtp = read("", &[]).unwrap().smtp;
    let mut tries = vec![0];
    while *tries.last().unwrap() <= smtp.give_up_after.as_secs() / 60 {
        let attempts = u32::try_from(tries.len()).unwrap();
        tries.push(tries.last().unwrap() + smtp.retry.after(attempts).as_secs() / 60);
    }
    assert_eq!(tries[..5], [0, 20, 60, 180, 330]);
    assert!(tries[3..].windows(2).all(|pair| (120..=180).contains(&(pair[1] - pair[0]))), "{tries:?}");
}

#[test]
fn names_and_times_of_schedules_must_be_good() {
    let file = format!(
        "[schedules]\nimmediate = '0 0 8 * * *'\nEarly = '0 0 5 * * *'\nlate_shift = '0 0 23 * * *'\n\
         {} = '0 0 1 * * *'\nlunch = '0 30 12 * * 1-5'\nnever = 3\n",
        "x".repeat(41)
    );
    let name = "expected a name of lower-case letters, digits and -, at most 40";
    let expected = format!(
        "config/jobalerts.toml:2: schedules.immediate: immediate and paused are no schedules; choose another name\n\
         config/jobalerts.toml:3: schedules.Early: {name}\n\
         config/jobalerts.toml:4: schedules.late_shift: {name}\n\
         config/jobalerts.toml:5: schedules.{}: {name}\n\
         config/jobalerts.toml:6: schedules.lunch: expected the weekday by name (Mon, or Mon-Fri): as a number, 1 is \
         Sunday here and Monday elsewhere, found \"0 30 12 * * 1-5\"\n\
         config/jobalerts.toml:7: schedules.never: expected a text in quotes, found 3",
        "x".repeat(41)
    );
    assert_eq!(refused(&file, &[]), expected);
    let variable = "JOBALERTS_SCHEDULES__Lunchtime";
    assert_eq!(refused("", &[(variable, "0 0 5 * * *")]), format!("{variable}: there is no such setting"));
}

#[test]
fn log_levels_are_levels() {
    for (level, good) in [
        ("info", true),
        ("WARN", true),
        ("info,jobalerts::delivery=debug", true),
        ("info, jobalerts[step]=trace", true),
        ("inof", false),
        ("info,jobalerts::delivery", false),
        ("jobalerts=inof", false),
        ("info,", false),
    ] {
        assert_eq!(read("", &[("JOBALERTS_LOG__LEVEL", level)]).is_ok(), good, "{level}");
    }
}

#[test]
fn show_names_every_source() {
    let config = read("\n[smtp]\nconnections = 4\n", &[("JOBALERTS_INTAKE__MAX_AGE", "90m")]).unwrap();
    let shown = config.show();
    for line in [
        "rehearsal = false                                  # default",
        "connections = 4                                    # config/jobalerts.toml:3",
        "max_age = \"1h 30m\"                                 # JOBALERTS_INTAKE__MAX_AGE",
        "# hello_name is not set                            # default",
        "url = \"amqp://***@127.0.0.1:5672/%2f\"              # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    // It is a configuration again, but for the secrets.
    let secrets = shown.replace("***@", "");
    assert_eq!(read(&secrets, &[]).unwrap().intake.max_age, Duration::from_mins(90));
}

#[test]
fn ages_are_days_weeks_months_or_years_and_the_reminder_comes_first() {
    let config = read("[housekeeping]\nkeep_alerts = '2 years'\nlapse_after = '3 weeks'", &[]).unwrap();
    assert_eq!(config.housekeeping.keep_alerts.to_string(), "2 years");
    assert_eq!(config.housekeeping.lapse_after.to_string(), "3 weeks");
    assert_eq!(
        refused("[housekeeping]\nkeep_audit = '6y'", &[]),
        "config/jobalerts.toml:2: housekeeping.keep_audit: expected a whole number of days, weeks, months or years, \
         such as \"14 days\" or \"13 months\", at most a hundred years, found \"6y\""
    );
    let late = "expected lapse_after to be longer than remind_after, found";
    for (file, place, found) in [
        ("lapse_after = '2 weeks'", "2: housekeeping.lapse_after", "2 weeks and 14 days"),
        ("remind_after = '1 month'", "2: housekeeping.remind_after", "30 days and 1 month"),
    ] {
        let message = refused(&format!("[housekeeping]\n{file}"), &[]);
        assert!(message.starts_with(&format!("config/jobalerts.toml:{place}: {late} {found}")), "{message}");
    }
}

/// A05, B01.
#[test]
fn mails_come_back_to_the_organisation_that_they_are_from() {
    let config = read("[smtp]\nfrom = 'Ann <ann@alerts.force.police.uk>'", &[]).unwrap();
    assert_eq!(config.smtp.return_path.address().as_str(), "bounce@alerts.force.police.uk");
    assert!(config.show().contains("return_path = \"bounce@alerts.force.police.uk\""), "{}", config.show());
    let file = |path: &str| format!("[smtp]\nfrom = 'a@alerts.force.police.uk'\nreturn_path = '{path}'");
    assert!(read(&file("b@bounces.force.police.uk"), &[]).is_ok());
    for (path, message) in [
        ("b@other.police.uk", "expected the domains of from and return_path to be of one organisation"),
        ("b+c@force.police.uk", "the part before the @ must not contain a +"),
        ("stop@force.police.uk", "stop@ is where people write to stop"),
    ] {
        let said = refused(&file(path), &[]);
        assert!(said.starts_with(&format!("config/jobalerts.toml:3: smtp.return_path: {message}")), "{said}");
    }
    let long = format!("[smtp]\nfrom = 'a@{0}.{0}.{0}.example'", "d".repeat(63));
    assert!(refused(&long, &[]).contains("smtp.from: expected the domains"), "{}", refused(&long, &[]));
}

/// A01, A02, T20.
#[test]
fn what_mails_are_signed_with_must_be_good() {
    let directory = Directory::new();
    let [rsa, ed25519] = jobalerts_dev::secrets::dkim_keys(&directory.0).unwrap();
    let file = directory.write(
        "jobalerts.toml",
        "[dkim]\nkey_file = 'dkim-rsa.pem'\ned25519_key_file = 'dkim-ed25519.pem'\n",
    );
    let config = Config::load(Some(&file), &Variables::new()).unwrap();
    let selectors: Vec<&str> = config.dkim.keys().map(|(selector, _)| selector).collect();
    assert_eq!(
        (config.dkim.domain.as_str(), &selectors[..]),
        ("midshire.example", &["jobalerts", "jobalerts-ed25519"][..])
    );
    assert!(!config.show().contains("PRIVATE"), "{}", config.show());
    assert_eq!(read("", &[]).unwrap().dkim.keys().count(), 0);

    let (rsa, ed25519) = (rsa.display(), ed25519.display());
    for (lines, message) in [
        (
            format!("key_file = '{ed25519}'"),
            "2: dkim.key_file: ".to_owned() + &format!("{ed25519}: it is not an RSA key"),
        ),
        (
            format!("key_file = '{rsa}'\ned25519_key_file = '{rsa}'"),
            format!("3: dkim.ed25519_key_file: {rsa}: it is not an Ed25519 key"),
        ),
        (
            format!("ed25519_key_file = '{ed25519}'"),
            "2: dkim.ed25519_key_file: expected key_file, too".to_owned(),
        ),
        ("domain = 'example'".to_owned(), "2: dkim.domain: expected a host name only".to_owned()),
        (
            "domain = 'other.example'".to_owned(),
            "2: dkim.domain: expected the domain of smtp.from".to_owned(),
        ),
        (
            "domain = 'alerts.midshire.example'".to_owned(),
            "2: dkim.domain: expected the domain of smtp.from".to_owned(),
        ),
        ("selector = 'a b'".to_owned(), "2: dkim.selector: expected lower-case letters".to_owned()),
        (
            "selector = 'jobalerts-ed25519'".to_owned(),
            "2: dkim.selector: expected ed25519_selector and selector to differ".to_owned(),
        ),
    ] {
        let said = refused(&format!("[dkim]\n{lines}\n"), &[]);
        assert!(said.starts_with(&format!("config/jobalerts.toml:{message}")), "{said}");
    }
    std::fs::set_permissions(
        directory.0.join("dkim-rsa.pem"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let said = Config::load(Some(&file), &Variables::new()).unwrap_err().to_string();
    assert!(said.contains("dkim.key_file") && said.contains("everybody on this machine can read"), "{said}");
}

#[test]
fn what_can_change_while_it_runs_is_heeded() {
    let before = "[relays]\nb = { url = 'smtp://b.example', per_day = 1 }\nc = { url = 'smtp://c.example' }";
    let after = "[relays]\nsmtp = { per_day = 5 }\nb = { url = 'smtp://b.example', per_day = 2 }\n\
                 c = { url = 'smtp://elsewhere.example', per_day = 3 }\nd = { url = 'smtp://d.example' }\n\
                 [schedules]\ndaily = '0 0 7 * * *'\nlate = '0 0 20 * * *'\n[guards]\nquiet_hours = 'none'\n\
                 settle = '1m'\n[log]\nlevel = 'debug'\nformat = 'json'\n[templates]\nfolder = 'words'\n\
                 [time]\nzone = 'Europe/Paris'";
    let (before, after) = (read(before, &[]).unwrap(), read(after, &[]).unwrap());
    let Change { config, heeded, waiting } = before.heeding(&after);
    let expected = [
        "guards.quiet_hours",
        "log.level",
        "relays.b",
        "relays.smtp",
        "schedules.daily",
        "schedules.late",
        "templates.folder",
    ];
    assert_eq!(heeded, expected);
    assert_eq!(waiting, ["guards.settle", "log.format", "relays.c", "relays.d", "time.zone"]);
    assert_eq!(config.schedules, after.schedules);
    assert_eq!(config.templates, after.templates);
    assert_eq!(config.guards, Guards { quiet_hours: None, ..before.guards });
    assert_eq!(config.log, Log { level: "debug".to_owned(), ..before.log.clone() });
    assert_eq!(config.share_of("smtp").limits.per_day, Some(5));
    assert_eq!(config.share_of("b").limits.per_day, Some(2));
    assert_eq!(config.share_of("c").limits.per_day, None, "it is still the one before");
    assert_eq!(config.relays.others.keys().collect::<Vec<_>>(), ["b", "c"]);

    // The next time the same waits, and what was heeded has not changed.
    let again = config.heeding(&after);
    assert_eq!((again.heeded, again.waiting), (vec![], waiting));
    let back = config.heeding(&before);
    assert_eq!((back.heeded, back.waiting.len()), (heeded, 0));
    assert_eq!(Config { shown: vec![], ..back.config }, Config { shown: vec![], ..before });
}

#[test]
fn what_is_not_shown_is_known_to_have_changed() {
    let directory = Directory::new();
    let secret = |text: &str| {
        let path = directory.write("secret", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let key = |digit: &str| digit.repeat(64);
    let holidays = |day: &str| {
        format!(
            "reviewed = '2024-01-01'\nreview_by = '2025-01-01'\nuntil = '2024-12-31'\n[holidays]\n{day} = 'Fair'\n"
        )
    };
    let file = directory.write("calendar", &holidays("2024-07-12")).display().to_string();
    let secret_file = secret(&key("a")).display().to_string();
    for (variable, before, after, heeded) in [
        ("DATABASE__URL", "postgres://j:one@127.0.0.1/j", "postgres://j:two@127.0.0.1/j", false),
        ("AMQP__URL", "amqp://j:one@127.0.0.1", "amqp://j:two@127.0.0.1", false),
        ("SMTP__URL", "smtps://j:one@mail", "smtps://j:two@mail", false),
        ("SMTP__ONLY_TO", "ann@example.org", "amy@example.org", false),
        ("TESTING__ADDRESSES", "ann@example.org", "amy@example.org", false),
        ("RELAYS__B", "{ url = 'smtps://j:one@b' }", "{ url = 'smtps://j:two@b' }", false),
        ("SECRETS__TOKEN_KEYS_FILE", "a", "b", false),
        ("SECRETS__ADDRESS_KEY_FILE", "a", "b", false),
        ("SECRETS__WEBHOOK_KEY_FILE", "a", "b", false),
        ("TIME__CALENDAR", "2024-07-12", "2024-07-13", true),
    ] {
        let name = format!("JOBALERTS_{variable}");
        let config = |value: &str| {
            let value = match variable {
                "TIME__CALENDAR" => {
                    directory.write("calendar", &holidays(value));
                    file.as_str()
                }
                _ if variable.starts_with("SECRETS") => {
                    secret(&key(value));
                    secret_file.as_str()
                }
                _ => value,
            };
            read("", &[(name.as_str(), value)]).unwrap()
        };
        let Change { heeded: now, waiting, .. } = config(before).heeding(&config(after));
        let setting = variable.to_lowercase().replace("__", ".");
        let expected = if heeded { (vec![setting], vec![]) } else { (vec![], vec![setting]) };
        assert_eq!((now, waiting), expected);
    }
}
