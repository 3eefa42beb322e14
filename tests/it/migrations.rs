//! Tables of an earlier version, with rows, become those of this one.

use jobalerts::domain::truth::{CloseReason, State};
use jobalerts::store::openings;
use sqlx::Executor as _;

use crate::harness::{Road, time};

const FIRST: &str = include_str!("../../migrations/0001_the_road.sql");
const SECOND: &str = include_str!("../../migrations/0002_truth_and_promises.sql");

/// Two vacancies, one of them closed; somebody who was told of both; a registration.
const ROWS: &str = r#"
    insert into openings (subject, posting, state, close_reason, opens_at, door_shuts_at, facts, posted_at,
                          seen_at, test, version, event_time, revision, matched_revision, anchor_event_id)
    select 'vacancy/' || reference, 1, state, reason, '2023-11-13T08:30:41Z', null,
           jsonb_build_object('title', 'Clerk', 'employer', null, 'description', null, 'url', null,
               'roleFamily', '[]'::jsonb, 'rank', '[]'::jsonb, 'audience', '[]'::jsonb,
               'contractKind', '[]'::jsonb, 'hours', '[]'::jsonb, 'locations', '["birmingham"]'::jsonb,
               'site', null, 'gradeText', null, 'payText', null, 'pay', null,
               'closing', '{"precision": "open-until-filled"}'::jsonb, 'zone', 'Europe/London'),
           '2023-11-13T08:30:41Z', '2023-11-13T08:31:00Z', false, 1, '2023-11-14T09:00:00Z', 1, 1, 1
    from (values ('A', 'posted', null), ('B', 'closed', 'filled')) as v (reference, state, reason);
    insert into opening_revisions (opening_id, revision, state, close_reason, facts, recorded_at)
    select id, 1, state, close_reason, facts, seen_at from openings;
    insert into subscribers (address, lookup, created_at) values ('a@example.org', 'a@example.org', now());
    insert into registrations (subscriber_id, programme, created_at) values (1, 'pc-any', '2023-01-01T00:00:00Z');
    insert into alerts (subscriber_id, opening_id, told_phase, told_revision, told_at)
    values (1, 1, 'open', 1, '2023-11-13T08:31:00Z'), (1, 2, 'open', 1, '2023-11-13T08:31:00Z');
"#;

#[tokio::test]
async fn what_an_earlier_version_wrote_is_read() {
    let road = Road::new().await;
    let mut connection = road.tester().acquire().await.unwrap();
    connection.execute("create schema earlier; set search_path to earlier").await.unwrap();
    for step in [FIRST, ROWS, SECOND] {
        connection.execute(sqlx::raw_sql(step)).await.unwrap();
    }
    let mut kept = openings::by_id(&mut connection, &[1, 2]).await.unwrap();
    kept.sort_by_key(|kept| kept.id);
    let truths: Vec<_> = kept.iter().map(|kept| &kept.opening.truth).collect();
    assert_eq!((truths[0].state, truths[0].close_reason), (State::Open, None));
    assert_eq!((truths[1].state, truths[1].close_reason), (State::Closed, Some(CloseReason::Filled)));
    for truth in truths {
        assert_eq!(truth.opened_at, Some(time("2023-11-13T08:30:41Z")));
        assert_eq!(truth.facts.locations, ["birmingham"]);
    }
    // What was told is a truth that can be compared.
    let told = openings::truths(&mut connection, &[(1, 1), (2, 1)]).await.unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!(told[&(1, 1)], kept[0].opening.truth);
    let registered: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select registered_at from registrations")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    assert_eq!(registered, time("2023-01-01T00:00:00Z"));
}
