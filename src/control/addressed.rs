//! Commands in texts for people, addressed to the pair that they are about. Where a machine has several pairs, a pasted
//! `modsyncctl sync-now --allow-deletes` would otherwise go to another one.

use super::handler::Response;
use super::types::{CheckReport, CycleSummary, DoctorReport, ErrorBody, SelfTestReport, Status};

/// What holds texts with commands.
pub trait Advises {
    /// The texts.
    fn texts(&mut self) -> Vec<&mut String>;

    /// Gives each `modsyncctl VERB` the flag that names the pair. Without a name nothing is to be done.
    fn address_to(&mut self, pair: Option<&str>) {
        if let Some(name) = pair {
            self.texts().into_iter().for_each(|text| address(text, name));
        }
    }
}

const CLIENT: &str = "modsyncctl ";

fn address(text: &mut String, name: &str) {
    let mut addressed = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(place) = rest.find(CLIENT) {
        let (before, after) = rest.split_at(place + CLIENT.len());
        addressed.push_str(before);
        // A flag that stands there already is left alone.
        if after.starts_with(|next: char| next.is_ascii_lowercase()) {
            addressed.push_str("--name ");
            addressed.push_str(name);
            addressed.push(' ');
        }
        rest = after;
    }
    addressed.push_str(rest);
    *text = addressed;
}

impl Advises for CycleSummary {
    fn texts(&mut self) -> Vec<&mut String> {
        self.reason.iter_mut().chain(&mut self.hint).collect()
    }
}

impl Advises for ErrorBody {
    fn texts(&mut self) -> Vec<&mut String> {
        std::iter::once(&mut self.error).chain(&mut self.hint).collect()
    }
}

impl Advises for Status {
    fn texts(&mut self) -> Vec<&mut String> {
        let left_out = self.left_out.iter_mut().map(|skipped| &mut skipped.reason);
        let cycle = self.last_cycle.iter_mut().flat_map(Advises::texts);
        let own = self.reason.iter_mut().chain([&mut self.recommendation]);
        own.chain(left_out).chain(cycle).collect()
    }
}

impl Advises for CheckReport {
    fn texts(&mut self) -> Vec<&mut String> {
        let left_out = self.left_out.iter_mut().map(|skipped| &mut skipped.reason);
        left_out.chain([&mut self.recommendation]).collect()
    }
}

impl Advises for DoctorReport {
    fn texts(&mut self) -> Vec<&mut String> {
        let texts = self.checks.iter_mut();
        texts
            .flat_map(|check| std::iter::once(&mut check.detail).chain(&mut check.fix))
            .collect()
    }
}

impl Advises for SelfTestReport {
    fn texts(&mut self) -> Vec<&mut String> {
        let cycle = self.cycle.iter_mut().flat_map(Advises::texts);
        self.reason.iter_mut().chain(&mut self.hint).chain(cycle).collect()
    }
}

impl Advises for Response {
    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Status(status) => status.texts(),
            Self::Cycle(cycle) => cycle.texts(),
            Self::Check(report) => report.texts(),
            Self::SelfTest(report) => report.texts(),
            Self::Backups(answer) => answer.cycle_mut().into_iter().flat_map(Advises::texts).collect(),
            Self::Show(report) => report.summary.texts(),
            Self::History(report) => {
                let summaries = report.cycles.iter_mut().map(|cycle| &mut cycle.summary);
                summaries.flat_map(Advises::texts).collect()
            }
            Self::Amended(report) => {
                let left = report.left.iter_mut().map(|left| &mut left.reason);
                report.cycle.texts().into_iter().chain(left).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_pair_once_and_other_words_stay() {
        let mut status = Status {
            reason: Some("`mv base.db base.old && modsyncctl sync-now`, or modsyncctl --name shop diff".to_owned()),
            recommendation: "run `modsyncctl`, then `modsyncctl doctor`".to_owned(),
            last_cycle: Some(CycleSummary {
                hint: Some("modsyncctl sync-now --allow-deletes".to_owned()),
                ..CycleSummary::default()
            }),
            ..Status::default()
        };
        let before = status.clone();
        status.address_to(None);
        assert_eq!(status, before);
        for _ in 0..2 {
            status.address_to(Some("shop"));
            assert_eq!(
                status.reason.as_deref(),
                Some("`mv base.db base.old && modsyncctl --name shop sync-now`, or modsyncctl --name shop diff")
            );
            assert_eq!(
                status.recommendation,
                "run `modsyncctl`, then `modsyncctl --name shop doctor`"
            );
            let hint = status.last_cycle.as_ref().and_then(|cycle| cycle.hint.as_deref());
            assert_eq!(hint, Some("modsyncctl --name shop sync-now --allow-deletes"));
        }
    }
}
