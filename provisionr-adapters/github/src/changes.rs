//! What all three kinds share when something is changed.

use std::time::Duration;

use provisionr_sdk::{AdapterError, Change, Entitlement, Grant, GrantState, Outcome, Receipt, Request, Result, Source, Wait, WaitReason};

use crate::adapter::Github;

/// People accept within days, and have seven; whoever moves runs stretches it.
const ACCEPTED: Duration = Duration::from_secs(3600);

/// The ticket of an invitation: that it is gone is told apart from that it never was.
const INVITED: &str = "invited";

pub(crate) fn invited() -> Wait {
    Wait::new(WaitReason::InvitationSent, ACCEPTED).with_ticket(INVITED)
}

/// GitHub says "not found" to who may not write as well: what a removal did not find and a look still shows is refused.
/// <https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#404-not-found-for-an-existing-resource>
pub(crate) fn still_there() -> AdapterError {
    AdapterError::permission_denied("it is there, and GitHub answers as if it were not: the credential may see it and may not take it away")
}

pub(crate) fn answered_meanwhile() -> AdapterError {
    AdapterError::conflict("the invitation was answered or taken back meanwhile")
}

/// The outcome of a grant that is there now.
pub(crate) fn granted(receipt: Receipt, grant: Grant) -> Outcome {
    let open = grant.state == GrantState::Invited;
    let receipt = receipt.with_grant(grant);
    if open { Outcome::Waiting(invited(), receipt) } else { Outcome::Applied(receipt) }
}

/// What is left to do.
pub(crate) enum Step {
    /// Nothing.
    Done(Outcome),
    /// To change the direct grant, if there is one: what the receipt says of before, and whether it is an open invitation.
    Go(Receipt, Option<GrantState>),
}

fn direct(grants: &[Grant]) -> Option<&Grant> {
    grants.iter().find(|grant| grant.source == Source::Direct)
}

fn check_owner(grants: &[Grant]) -> Result<()> {
    let owner = grants.iter().find_map(|grant| match &grant.source {
        Source::Owned(owner) => Some(owner),
        _ => None,
    });
    owner.map_or(Ok(()), |owner| Err(AdapterError::owned_elsewhere(format!("{owner} decides about it"))))
}

impl Github {
    fn is_enough(&self, held: &Grant, wanted: &Entitlement) -> bool {
        held.state == GrantState::Held && self.descriptor.kinds.get(&wanted.kind).is_some_and(|kind| kind.satisfies(&held.entitlement, wanted))
    }

    /// Whether a grant has to be made, with all grants of the person on the target before one.
    pub(crate) fn before_grant(&self, request: &Request, grants: &[Grant], wanted: &Entitlement) -> Result<Step> {
        let there = direct(grants);
        if let Some(there) = there.filter(|there| there.entitlement == *wanted) {
            let receipt = Receipt::new().before_grant(there.clone()).with_grant(there.clone());
            return Ok(Step::Done(match there.state {
                GrantState::Invited => Outcome::Waiting(invited(), receipt),
                _ => Outcome::Unchanged(receipt),
            }));
        }
        // A direct grant that is higher is lowered; one that is lower adds nothing to what is inherited.
        if !there.is_some_and(|there| self.is_enough(there, wanted))
            && let Some(enough) = grants.iter().find(|grant| grant.source != Source::Direct && self.is_enough(grant, wanted))
        {
            return Ok(Step::Done(Outcome::Unchanged(Receipt::new().before_grant(enough.clone()).with_grant(enough.clone()))));
        }
        check_owner(grants)?;
        request.check_expected(there)?;
        let receipt = there.map_or_else(|| Receipt::new().before_absent(), |there| Receipt::new().before_grant(there.clone()));
        Ok(Step::Go(receipt, there.map(|there| there.state)))
    }

    /// Whether a grant has to be taken away.
    pub(crate) fn before_revoke(&self, request: &Request, grants: &[Grant]) -> Result<Step> {
        let still = |receipt: Receipt| grants.iter().filter(|grant| grant.source != Source::Direct).cloned().fold(receipt, Receipt::still);
        let Some(there) = direct(grants) else {
            if matches!(request.change, Change::Revoke(_)) && grants.iter().any(|grant| matches!(grant.source, Source::Owned(_))) {
                check_owner(grants)?;
            }
            return Ok(Step::Done(Outcome::Unchanged(still(Receipt::new().before_absent()))));
        };
        if matches!(request.change, Change::Withdraw(_)) && there.state == GrantState::Held {
            return Ok(Step::Done(Outcome::Unchanged(Receipt::new().before_grant(there.clone()).with_grant(there.clone()))));
        }
        request.check_expected(Some(there))?;
        Ok(Step::Go(still(Receipt::new().before_grant(there.clone())), Some(there.state)))
    }
}
