//! Tests of virtual time, with and without sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::super::{Config, MAX_LATENESS, Outbound, VirtualTime};
use super::guests::{FETCH, WAIT_AN_HOUR};
use super::{config, get, get_from, serve, status, with_each_wasi};

/// The number of `connection-read-timeout` among wasi:http's error codes.
const READ_TIMEOUT: u16 = 600 + 9;

const HOUR: Duration = Duration::from_secs(3600);

/// Starts a server that waits this long before it responds. Returns a configuration for guests that
/// fetch from it.
async fn upstream(time: &VirtualTime, delay: Duration) -> Config {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = stream.write_all(response).await;
            });
        }
    });
    let (mut config, _) = config(time);
    config.outbound = Outbound::only([authority.clone()]);
    config.environment = vec![("AUTHORITY".to_owned(), authority)];
    config
}

#[test]
fn an_hour_of_the_guests_passes_at_once() {
    let real = std::time::Instant::now();
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "hour", WAIT_AN_HOUR, config).await;
        let before = time.elapsed();
        assert_eq!(status(&get(&serving).await), 200);
        let took = time.elapsed() - before;
        assert!((HOUR..=HOUR + MAX_LATENESS).contains(&took), "{took:?}");
    });
    assert!(real.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_guests_timers_fire_late_each_by_another_time() {
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "late", WAIT_AN_HOUR, config).await;
        let mut late = Vec::new();
        for _ in 0..40 {
            let before = time.elapsed();
            assert_eq!(status(&get(&serving).await), 200);
            late.push(time.elapsed() - before - HOUR);
        }
        late.sort_unstable();
        late.dedup();
        // 40 draws from 20 values give fewer than 6 distinct values with a probability below
        // 10^-19.
        assert!(late.len() >= 6, "{late:?}");
        assert!(late.last() <= Some(&MAX_LATENESS), "{late:?}");
    });
}

#[test]
fn an_exchange_takes_no_virtual_time() {
    with_each_wasi(async |time, wasi| {
        let config = upstream(&time, Duration::ZERO).await;
        let serving = serve(wasi, "exchange", FETCH, config).await;
        // Gives the clock a timer to move to.
        tokio::spawn(async {
            loop {
                sleep(Duration::from_secs(1)).await;
            }
        });
        for _ in 0..100 {
            let before = time.elapsed();
            assert_eq!(status(&get(&serving).await), 200);
            assert_eq!(time.elapsed(), before);
        }
    });
}

#[test]
fn a_server_that_sleeps_makes_time_pass() {
    with_each_wasi(async |time, wasi| {
        let config = upstream(&time, Duration::from_secs(29)).await;
        let serving = serve(wasi, "slow", FETCH, config).await;
        assert_eq!(status(&get(&serving).await), 200);
        assert_eq!(time.elapsed(), Duration::from_secs(29));
    });
}

#[test]
fn a_server_that_sleeps_too_long_runs_into_the_timeout() {
    with_each_wasi(async |time, wasi| {
        let config = upstream(&time, Duration::from_secs(31)).await;
        let serving = serve(wasi, "too-slow", FETCH, config).await;
        assert_eq!(status(&get(&serving).await), READ_TIMEOUT);
        let timeout = Duration::from_secs(30);
        assert!(
            (timeout..=timeout + MAX_LATENESS).contains(&time.elapsed()),
            "{:?}",
            time.elapsed()
        );
    });
}

#[test]
fn a_hundred_guests_sleep_and_fetch_side_by_side() {
    with_each_wasi(async |time, wasi| {
        let config = upstream(&time, Duration::from_secs(5)).await;
        let serving = serve(wasi, "many", FETCH, config).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            tasks.spawn(get_from(serving.addr(), serving.path));
        }
        while let Some(response) = tasks.join_next().await {
            assert_eq!(status(&response.unwrap()), 200);
        }
        assert_eq!(time.elapsed(), Duration::from_secs(5));
    });
}
