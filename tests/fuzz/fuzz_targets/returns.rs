//! Mails that come back to us, in which anybody may have written anything.

#![no_main]

use jobalerts::returns::incoming::{Incoming, LARGEST, What, tokens};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|mail: &[u8]| {
    let Some(incoming) = Incoming::read(mail) else { return };
    assert!(mail.len() <= LARGEST);
    assert!(incoming.addressed.len() <= mail.len() * 3 + 1000, "what is read is not larger than the mail");
    let shown = match &incoming.what {
        What::Complaint { shown } => shown.as_str(),
        What::SaysStop { answers, .. } => {
            assert!(answers.len() <= 50);
            ""
        }
        _ => "",
    };
    for text in [incoming.addressed.as_str(), shown] {
        assert!(tokens(text).count() <= 100);
    }
});
