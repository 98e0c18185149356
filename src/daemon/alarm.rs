//! The schedule's bell: one armed one-shot job at a time.
//!
//! The scheduler library fixes a zone's offset when a cron job is made, so its own cron jobs go wrong when the clock
//! changes. Here [`Schedule`] computes each instant, and the library only waits for it, on the wall clock: a time that
//! passed in sleep strikes once, on waking.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::schedule::Schedule;

/// Strikes by sending on its channel.
pub(super) struct Alarm {
    strikes: mpsc::Sender<()>,
    /// Started with the first schedule: without one nothing has to wake up twice a second.
    scheduler: Option<JobScheduler>,
    schedule: Option<Schedule>,
    armed: Option<(Timestamp, Job)>,
}

impl Alarm {
    /// An alarm without a schedule.
    pub fn new(strikes: mpsc::Sender<()>) -> Self {
        Self {
            strikes,
            scheduler: None,
            schedule: None,
            armed: None,
        }
    }

    /// When it strikes next.
    pub fn next(&self) -> Option<Timestamp> {
        self.armed.as_ref().map(|(at, _)| *at)
    }

    /// From now on this schedule.
    ///
    /// # Errors
    /// When the scheduler library fails.
    pub async fn set(&mut self, schedule: Option<Schedule>) -> Result<(), JobSchedulerError> {
        self.schedule = schedule;
        self.rearm().await
    }

    /// It struck: arms the next instant after that one.
    ///
    /// # Errors
    /// When the scheduler library fails.
    pub async fn struck(&mut self) -> Result<(), JobSchedulerError> {
        let struck = self.armed.take().map(|(at, _)| at);
        self.arm_after(struck.unwrap_or(Timestamp::MIN).max(Timestamp::now()))
            .await
    }

    /// The clock or the zone may have changed: forgets what was armed and computes it anew.
    ///
    /// # Errors
    /// When the scheduler library fails.
    pub async fn rearm(&mut self) -> Result<(), JobSchedulerError> {
        if let (Some((_, job)), Some(scheduler)) = (self.armed.take(), &self.scheduler) {
            scheduler.remove(&job.guid()).await?;
        }
        self.arm_after(Timestamp::now()).await
    }

    async fn arm_after(&mut self, instant: Timestamp) -> Result<(), JobSchedulerError> {
        let Some(schedule) = &self.schedule else {
            return Ok(());
        };
        let Some(at) = schedule.next(instant, &TimeZone::system()) else {
            tracing::warn!("the schedule has no further instant");
            return Ok(());
        };
        let strikes = self.strikes.clone();
        // The library adds whole seconds to the whole second of now.
        let seconds = at.as_second().saturating_sub(Timestamp::now().as_second());
        let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let job = Job::new_one_shot(wait, move |_, _| {
            let _ = strikes.try_send(()); // a full channel holds a strike already
        })?;
        self.scheduler().await?.add(job.clone()).await?;
        self.armed = Some((at, job));
        Ok(())
    }

    async fn scheduler(&mut self) -> Result<&JobScheduler, JobSchedulerError> {
        if self.scheduler.is_none() {
            let scheduler = JobScheduler::new().await?;
            scheduler.start().await?;
            self.scheduler = Some(scheduler);
        }
        self.scheduler.as_ref().ok_or(JobSchedulerError::StartScheduler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strikes_again_and_again_and_not_after_the_schedule_is_gone() {
        let (sender, mut strikes) = mpsc::channel(1);
        let mut alarm = Alarm::new(sender);
        alarm.set(Some(Schedule::parse("* * * * * *").unwrap())).await.unwrap();
        let mut last = alarm.next().unwrap();
        for _ in 0..2 {
            tokio::time::timeout(Duration::from_secs(20), strikes.recv())
                .await
                .expect("a strike in time")
                .unwrap();
            assert!(Timestamp::now() >= last, "struck before its time");
            alarm.struck().await.unwrap();
            assert!(alarm.next().unwrap() > last);
            last = alarm.next().unwrap();
        }
        alarm.set(None).await.unwrap();
        assert_eq!(alarm.next(), None);
    }
}
