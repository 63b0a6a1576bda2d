//! Shrinks a world in which a promise is broken.

use super::run;
use super::world::{Allowed, Exchange, Plan, SequencePlan, World};

/// Returns a world that still breaks the promise, and from which nothing more can be removed.
pub fn shrunk(world: &World, promise: &str) -> World {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let still = |world: &World| run(world).is_err_and(|(broken, _)| broken.promise == promise);
    let mut small = world.clone();
    while let Some(smaller) = candidates(&small)
        .into_iter()
        .find(|candidate| still(candidate))
    {
        small = smaller;
    }
    std::panic::set_hook(hook);
    small
}

/// Returns copies of the world, each with one part removed or simplified.
fn candidates(world: &World) -> Vec<World> {
    let mut all = Vec::new();
    let mut offer = |change: &dyn Fn(&mut World) -> bool| {
        let mut candidate = world.clone();
        if change(&mut candidate) {
            all.push(candidate);
        }
    };
    offer(&|world| set(&mut world.afterwards, plain()));
    for place in (0..world.exchanges.len()).rev() {
        offer(&|world| {
            world.exchanges.truncate(place);
            true
        });
        offer(&|world| set(&mut world.exchanges[place], plain()));
        offer(&|world| {
            world.exchanges.remove(place);
            true
        });
    }
    if world.others.len() > 8 {
        offer(&|world| {
            world.others.truncate(world.others.len() / 2);
            true
        });
        offer(&|world| {
            world.others.drain(..world.others.len() / 2);
            true
        });
    }
    for place in 0..world.others.len() {
        offer(&|world| {
            world.others.remove(place);
            true
        });
    }
    for place in 0..world.others.len() + world.ours.len() {
        let plan = |world: &mut World, change: &dyn Fn(&mut Plan) -> bool| {
            let others = world.others.iter_mut().map(|theirs| &mut theirs.plan);
            others.chain(&mut world.ours).nth(place).is_some_and(change)
        };
        offer(&|world| plan(world, &|plan| set(&mut plan.rows, Vec::new())));
        offer(&|world| {
            plan(world, &|plan| {
                plan.jobs.len() > 1 && plan.jobs.pop().is_some()
            })
        });
    }
    for place in 0..world.outages.len() {
        offer(&|world| {
            world.outages.remove(place);
            true
        });
    }
    if world.ours.len() > 1 {
        offer(&|world| world.ours.pop().is_some());
    }
    if let Some(sequence) = &world.sequence {
        for place in 0..sequence.others.len() {
            offer(&|world| {
                world.sequence.as_mut().unwrap().others.remove(place);
                true
            });
        }
        for place in 0..sequence.others.len() + sequence.ours.len() {
            let plan = |world: &mut World, change: &dyn Fn(&mut SequencePlan) -> bool| {
                let sequence = world.sequence.as_mut().unwrap();
                let others = sequence.others.iter_mut().map(|theirs| &mut theirs.plan);
                others
                    .chain(&mut sequence.ours)
                    .nth(place)
                    .is_some_and(change)
            };
            offer(&|world| plan(world, &|plan| plan.syncs.pop().is_some()));
            offer(&|world| plan(world, &|plan| set(&mut plan.known_after, 0)));
            offer(&|world| plan(world, &|plan| set(&mut plan.whole_after, 0)));
            offer(&|world| plan(world, &|plan| set(&mut plan.pending, 0)));
        }
        if sequence.ours.len() > 1 {
            offer(&|world| world.sequence.as_mut().unwrap().ours.pop().is_some());
        }
        offer(&|world| set(&mut world.sequence.as_mut().unwrap().joins, false));
        offer(&|world| set(&mut world.sequence.as_mut().unwrap().unknown, 404));
    }
    for place in 0..world.call.repeats.len() {
        offer(&|world| {
            world.call.repeats.remove(place);
            true
        });
    }
    offer(&|world| set(&mut world.call.tolerate, None));
    offer(&|world| set(&mut world.call.allowed, Allowed::All));
    offer(&|world| set(&mut world.server.mixed, false));
    offer(&|world| set(&mut world.server.tells_end, false));
    offer(&|world| set(&mut world.call.among, 1));
    offer(&|world| set(&mut world.call.unless_since, None));
    offer(&|world| set(&mut world.server.tells_start, true));
    offer(&|world| set(&mut world.call.resync, false));
    offer(&|world| set(&mut world.call.oversleeps, 0));
    offer(&|world| set(&mut world.call.seed, 1));
    offer(&|world| set(&mut world.server.phase, 0));
    offer(&|world| set(&mut world.server.date_ahead, 0));
    offer(&|world| set(&mut world.server.page, 100));
    offer(&|world| set(&mut world.server.newest_first, true));
    offer(&|world| set(&mut world.server.ignores_run_id, false));
    offer(&|world| set(&mut world.server.ids_are_text, false));
    offer(&|world| set(&mut world.server.shouts, false));
    all
}

fn plain() -> Exchange {
    Exchange {
        there: 50,
        back: 50,
        fault: None,
    }
}

/// Sets a value. Returns whether it was different.
fn set<T: serde::Serialize>(place: &mut T, value: T) -> bool {
    let text = |value: &T| serde_json::to_string(value).unwrap();
    let changes = text(place) != text(&value);
    *place = value;
    changes
}
