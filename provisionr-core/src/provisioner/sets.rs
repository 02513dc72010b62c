//! Plans of many people: made, saved, checked and submitted together.

use futures_util::StreamExt as _;

use super::{AccessError, Names, Provisioner};
use crate::event::{Event, Occasion};
use crate::forecast::Forecast;
use crate::plan::Plan;
use crate::plan_set::{PlanSet, Planned, differences};
use crate::store::{Actor, RunId};
use provisionr_sdk::{EventId, Subject, SubjectId};

/// How many people are planned for at once.
const AT_ONCE: usize = 16;

/// How many subjects are read from the directory at once.
const PAGE: usize = 500;

/// What became of one plan of a submitted set.
#[derive(Debug)]
#[non_exhaustive]
pub struct Submitted {
    /// Whose it is.
    pub subject: SubjectId,
    /// Its run, or why there is none.
    pub run: Result<RunId, AccessError>,
}

impl Provisioner {
    /// What a plan will take: calls, the time the vendors' limits make of them, and what cannot be undone. Asks no system.
    pub fn forecast(&self, plan: &Plan) -> Forecast {
        self.forecast_all([plan])
    }

    fn forecast_all<'p>(&'p self, plans: impl IntoIterator<Item = &'p Plan>) -> Forecast {
        Forecast::of(plans, self.0.executor.systems.values().map(|adapter| adapter.descriptor()))
    }

    /// Plans an event, as a set of one plan, or of none when nothing has to be done. Only reads.
    ///
    /// # Errors
    /// Those of [`Provisioner::plan`].
    pub async fn plan_event(&self, event: &Event) -> Result<PlanSet, AccessError> {
        let plan = self.plan(event).await?;
        let subject = plan.basis.as_ref().map_or_else(|| event.subject().clone(), |basis| basis.subject.clone());
        Ok(self.set(vec![Planned { event: event.id().clone(), subject, occasion: event.occasion(), plan }], 0))
    }

    /// Plans for everybody in the directory. Only reads; the names of targets are looked up once for all.
    ///
    /// # Errors
    /// Those of [`Provisioner::plan`], of the first person for whom it fails.
    pub async fn plan_people(&self) -> Result<PlanSet, AccessError> {
        let names = Names::default();
        let (mut planned, mut unchanged) = (Vec::new(), 0);
        let mut after: Option<SubjectId> = None;
        loop {
            let page = self.0.directory.subjects(after.as_ref(), PAGE).await?;
            let whole = page.len() == PAGE;
            after = page.last().map(|subject| subject.id.clone());
            let mut plans = futures_util::stream::iter(page).map(|subject| self.plan_person(subject, &names)).buffered(AT_ONCE);
            while let Some(plan) = plans.next().await {
                match plan? {
                    planned_for if planned_for.plan.is_empty() && planned_for.plan.blocked.is_empty() => unchanged += 1,
                    planned_for => planned.push(planned_for),
                }
            }
            if !whole {
                return Ok(self.set(planned, unchanged));
            }
        }
    }

    async fn plan_person(&self, listed: Subject, names: &Names) -> Result<Planned, AccessError> {
        let plan = self.plan_listed(listed.clone(), names).await?;
        let subject = plan.basis.as_ref().map_or(listed, |basis| basis.subject.clone());
        let event = self.event_of(&subject, &plan).await?;
        Ok(Planned { event, subject, occasion: Occasion::default(), plan })
    }

    /// The event a plan for somebody in the directory is submitted by: the same for the same plan of the same version, so that
    /// applying a file twice opens no second run. Where that run is over, and the same is needed again, because it failed or
    /// was undone by others, it is another event.
    async fn event_of(&self, subject: &Subject, plan: &Plan) -> Result<EventId, AccessError> {
        let first = format!("people/{}/{}/{}", subject.id, subject.version, plan.digest()?.short());
        let mut event = EventId::new(first.as_str());
        let mut number = 1;
        while let Some(run) = self.run_of(&event).await?
            && self.row(&run).await?.verdict.is_some()
        {
            number += 1;
            event = EventId::new(format!("{first}/{number}"));
        }
        Ok(event)
    }

    fn set(&self, plans: Vec<Planned>, unchanged: u64) -> PlanSet {
        let forecast = self.forecast_all(plans.iter().map(|planned| &planned.plan));
        PlanSet::new(self.rules().revision(), plans, unchanged, forecast)
    }

    /// Submits the plans of a set just as they are, or none of them: each is made anew first, and has to come out the
    /// same. A plan whose event has opened a run before is that run.
    ///
    /// # Errors
    /// `PlanSetMoved` with every difference when rules or the world have moved since the set was made; otherwise what
    /// prevents all of it. What prevents one plan alone is in its place of the answer.
    pub async fn submit_set(&self, set: &PlanSet, actor: &Actor) -> Result<Vec<Submitted>, AccessError> {
        if set.rules != self.rules().revision() {
            let why = format!("the rules have changed: they were {} and are {}", set.rules.short(), self.rules().revision().short());
            return Err(AccessError::PlanSetMoved(vec![why]));
        }
        let names = Names::default();
        let mut fresh = Vec::with_capacity(set.plans.len());
        let mut moved = Vec::new();
        let mut again = futures_util::stream::iter(&set.plans).map(|planned| self.again(planned, &names)).buffered(AT_ONCE);
        while let Some(plan) = again.next().await {
            fresh.push(plan?);
        }
        drop(again);
        for (planned, plan) in set.plans.iter().zip(&fresh) {
            if let Again::Planned(plan) = plan {
                moved.extend(differences(&planned.plan, plan).into_iter().map(|difference| format!("{}: {difference}", planned.subject.id)));
            }
        }
        if !moved.is_empty() {
            return Err(AccessError::PlanSetMoved(moved));
        }
        let mut submitted = Vec::with_capacity(fresh.len());
        for (planned, plan) in set.plans.iter().zip(fresh) {
            let run = match plan {
                Again::Submitted(run) => Ok(run),
                Again::Planned(plan) => self.submit(plan, &planned.event, actor.clone()).await,
            };
            submitted.push(Submitted { subject: planned.subject.id.clone(), run });
        }
        Ok(submitted)
    }

    async fn again(&self, planned: &Planned, names: &Names) -> Result<Again, AccessError> {
        if let Some(run) = self.run_of(&planned.event).await? {
            return Ok(Again::Submitted(run));
        }
        let known = [self.0.directory.subject(&planned.subject.id).await?, self.stored(&planned.subject.id).await?];
        let newest = known.into_iter().flatten().filter(|known| known.version > planned.subject.version).max_by_key(|known| known.version);
        let plan = self.plan_subject(newest.as_ref().unwrap_or(&planned.subject), planned.occasion, names).await?;
        Ok(Again::Planned(plan))
    }
}

enum Again {
    /// Its event has opened this run.
    Submitted(RunId),
    /// The plan as it would be made now.
    Planned(Plan),
}
