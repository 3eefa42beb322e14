//! People, as lines of an import.

use serde_json::{Value, json};

/// A person with a consent.
#[derive(Debug, Clone)]
pub(crate) struct Person(Value);

/// A person who asked for nothing yet.
pub(crate) fn person(address: &str) -> Person {
    let consent = json!({"wordingVersion": "2023-1", "at": "2023-01-01T00:00:00Z", "source": "page"});
    Person(json!({"email": address, "consent": consent, "searches": [], "registrations": []}))
}

/// A person who wants to hear of everything that the public may apply for, at once.
pub(crate) fn curious(address: &str) -> Person {
    person(address).wants("Everything", "immediate")
}

/// So many curious people, `p0@example.org` and on.
pub(crate) fn crowd(people: usize) -> Vec<Person> {
    (0..people).map(|number| curious(&format!("p{number}@example.org"))).collect()
}

/// A person with the searches of `tests/golden/searches.json`.
pub(crate) fn with_sample_searches(address: &str) -> Person {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/searches.json");
    let mut person = person(address);
    let sample: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for (key, value) in sample.as_object().unwrap() {
        person.0[key] = value.clone();
    }
    person
}

impl Person {
    /// A search that asks for anything at all.
    pub(crate) fn wants(self, name: &str, cadence: &str) -> Self {
        self.search(name, cadence, json!({}))
    }

    pub(crate) fn search(mut self, name: &str, cadence: &str, criteria: Value) -> Self {
        let mut search = json!({"name": name, "cadence": cadence});
        search["where"] = criteria;
        self.0["searches"].as_array_mut().unwrap().push(search);
        self
    }

    pub(crate) fn registered(mut self, programme: &str) -> Self {
        self.0["registrations"].as_array_mut().unwrap().push(json!({"programme": programme}));
        self
    }

    /// Wants to hear nothing of the programme before a month.
    pub(crate) fn registered_from(mut self, programme: &str, month: &str) -> Self {
        let registration = json!({"programme": programme, "notBefore": month});
        self.0["registrations"].as_array_mut().unwrap().push(registration);
        self
    }

    /// Wants to hear nothing of the programme after a day.
    pub(crate) fn registered_until(mut self, programme: &str, day: &str) -> Self {
        let registration = json!({"programme": programme, "validUntil": day});
        self.0["registrations"].as_array_mut().unwrap().push(registration);
        self
    }

    /// Wants to be reminded before the programme's door shuts.
    pub(crate) fn reminded(mut self, programme: &str) -> Self {
        let registration = json!({"programme": programme, "reminder": true});
        self.0["registrations"].as_array_mut().unwrap().push(registration);
        self
    }

    /// Has chosen when digests come: `{"time": "18:00", "day": "Fri", "workingDaysOnly": true}`.
    pub(crate) fn digests(mut self, choice: Value) -> Self {
        self.0["digest"] = choice;
        self
    }

    pub(crate) fn quiet(mut self, from: &str, to: &str) -> Self {
        self.0["quietHours"] = json!({"from": from, "to": to});
        self
    }

    /// Rests until a day; registrations, too, if so.
    pub(crate) fn paused(mut self, until: &str, registrations: bool) -> Self {
        self.0["pause"] = json!({"until": until, "registrations": registrations});
        self
    }

    /// Agreed, and so registered, at this time.
    pub(crate) fn agreed_at(mut self, time: &str) -> Self {
        self.0["consent"]["at"] = json!(time);
        self
    }

    pub(crate) fn discreet(mut self) -> Self {
        self.0["discreetSubject"] = json!(true);
        self
    }

    pub(crate) fn line(&self) -> String {
        self.0.to_string()
    }
}
