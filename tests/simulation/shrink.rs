//! Makes a scenario that fails as short as it gets.

use super::scenario::{Event, Harm, Scenario};

/// Takes away whatever can be taken away while `fails` goes on to say so.
pub fn shrink(scenario: Scenario, fails: &dyn Fn(&Scenario) -> bool) -> Scenario {
    let mut best = scenario;
    loop {
        let before = best.size();
        for shorter in candidates(&best) {
            if shorter.size() < best.size() && fails(&shorter) {
                best = shorter;
                break;
            }
        }
        if best.size() == before {
            return best;
        }
    }
}

/// Scenarios that lack some part of this one, those that lack most first.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut shorter = Vec::new();
    let with = |change: &dyn Fn(&mut Scenario)| {
        let mut other = scenario.clone();
        change(&mut other);
        other
    };
    let length = scenario.events.len();
    for size in [length / 2, length / 4, 1] {
        for start in (0..length).step_by(size.max(1)) {
            shorter.push(with(&|other| {
                drop(other.events.drain(start..(start + size).min(length)))
            }));
        }
    }
    shorter.push(with(&|other| other.first.clear()));
    for index in 0..scenario.first.len() {
        shorter.push(with(&|other| drop(other.first.remove(index))));
    }
    for (number, event) in scenario.events.iter().enumerate() {
        match event {
            Event::Write(write) if write.changes.len() > 1 => {
                for change in 0..write.changes.len() {
                    shorter.push(with(&|other| {
                        if let Event::Write(write) = &mut other.events[number] {
                            write.changes.remove(change);
                        }
                    }));
                }
            }
            Event::Cycle { faults, .. } => {
                for fault in 0..faults.len() {
                    shorter.push(with(&|other| {
                        if let Event::Cycle { faults, .. } = &mut other.events[number] {
                            faults.remove(fault);
                        }
                    }));
                    shorter.push(with(&|other| shorten_write(&mut other.events[number], fault)));
                }
            }
            _ => {}
        }
    }
    shorter
}

/// Takes the last statement away from a transaction in the middle of a cycle.
fn shorten_write(event: &mut Event, fault: usize) {
    if let Event::Cycle { faults, .. } = event
        && let Harm::Write(write) = &mut faults[fault].what
    {
        write.changes.pop();
    }
}
