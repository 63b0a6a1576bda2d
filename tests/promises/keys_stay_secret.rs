//! A key is sent to Hightouch and shows nowhere else, not even where a server echoes it.

use hightouch_sync_host::host::RunOptions;

use super::stage::{ENDPOINTS, Library, Scripted, connection, options, say, stage, tell, with_each_endpoint};

const MARKED: &str = "marked-key-7f3a";

/// A Hightouch that puts the caller's `Authorization` header into every text it can.
async fn echoing(status: u16) -> Scripted {
    Scripted::start(move |what, authorization| {
        let run = |status: &str| {
            format!(
                r#"{{"data":[{{"id":42,"status":"{status}","error":"{authorization}","createdAt":"{authorization}"}}],"hasMore":false}}"#
            )
        };
        match (status, what.starts_with("POST")) {
            (200, true) => say(200, r#"{"id":"42"}"#),
            (200, false) => say(200, run("failed")),
            (201, true) => say(200, r#"{"id":"42"}"#),
            (201, false) => say(200, run(authorization)),
            _ => say(status, format!(r#"{{"message":"{authorization}","details":{{"sent":"{authorization}"}}}}"#)),
        }
    })
    .await
}

#[test]
fn no_answer_no_failure_and_no_log_shows_it() {
    for status in [200, 201, 401, 404, 422, 500] {
        stage(async |stage| {
            let hightouch = echoing(status).await;
            let short = RunOptions { max_wait_ms: Some(5_000), ..options() };
            let library = stage.library(hightouch.origin());
            let library = Library { connection: connection(hightouch.origin(), MARKED), ..library };
            let failure = library.run_sync(1, short).await.unwrap_err();
            assert!(!format!("{failure:?}").contains(MARKED), "{failure:?}");
            for kind in ENDPOINTS {
                let endpoint = stage.endpoint(kind, hightouch.origin()).await;
                let request = endpoint.post("/syncs/1/runs").bearer_auth(MARKED).header("prefer", "wait=5");
                let told = tell(request).await;
                assert!(!told.text.contains(MARKED), "{}", told.text);
                assert!(!format!("{:?}", told.headers).contains(MARKED));
            }
            assert!(!stage.stderr.text().contains(MARKED), "{}", stage.stderr.text());
        });
    }
}

#[test]
fn a_text_that_is_cut_in_the_middle_of_the_key_shows_none_of_it() {
    stage(async |stage| {
        for before in 980..1_030 {
            let hightouch = Scripted::start(move |_, authorization| {
                let key = authorization.trim_start_matches("Bearer ");
                say(401, format!(r#"{{"message":"{}{key}"}}"#, "x".repeat(before)))
            })
            .await;
            let library = stage.library(hightouch.origin());
            let library = Library { connection: connection(hightouch.origin(), MARKED), ..library };
            let failure = library.run_sync(1, options()).await.unwrap_err();
            assert!(
                !failure.message.contains("mark") && failure.message.len() <= 1024,
                "{before}: {}",
                failure.message
            );
        }
    });
}

#[test]
fn it_is_sent_as_a_bearer_token() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = Scripted::start(|_, authorization| {
            say(if authorization == format!("Bearer {MARKED}") { 403 } else { 401 }, "")
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let told = tell(endpoint.post("/syncs/1/runs").bearer_auth(MARKED)).await;
        assert_eq!(told.json()["hightouchStatus"], 403);
    });
}
