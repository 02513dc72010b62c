//! Members and invitations of groups and projects.

use serde_json::{Map, Value, json};

use super::GitlabFake;
use super::answer::{self, Sight, fields, forbidden, invalid, known_parameters, message, not_found, number, page};
use super::state::{GitlabInvitation, GitlabMember, GitlabSource, GitlabUser, Plan, Sort};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// Which of the two a path is about.
pub(super) fn sort_of(call: &Call<'_>) -> Sort {
    if call.request.path.starts_with("/api/v4/projects/") { Sort::Project } else { Sort::Group }
}

impl GitlabFake {
    /// The group or project of a path. What the caller may not see looks as if it were not there.
    pub(super) fn source(&self, sort: Sort, key: &str, cx: &FakeContext) -> Result<GitlabSource, FakeResponse> {
        let seen = self.instance.source(sort, key).filter(|source| self.sees(source, cx));
        seen.cloned().ok_or_else(|| not_found(if sort == Sort::Group { "Group " } else { "Project " }))
    }

    pub(super) fn sees(&self, source: &GitlabSource, cx: &FakeContext) -> bool {
        !source.hidden && (self.is_admin(cx) || self.caller(cx).is_some_and(|user| self.instance.effective(source, user.id).is_some()))
    }

    /// The caller's own level.
    fn level(&self, source: &GitlabSource, cx: &FakeContext) -> u64 {
        let level = self.caller(cx).and_then(|user| self.instance.effective(source, user.id)).map_or(0, |member| member.level);
        if self.is_admin(cx) { 50 } else { level }
    }

    pub(super) fn may_manage(&self, sort: Sort, source: &GitlabSource, cx: &FakeContext) -> Result<(), FakeResponse> {
        let needed = if sort == Sort::Group { 50 } else { 40 };
        if self.level(source, cx) >= needed { Ok(()) } else { Err(forbidden()) }
    }

    fn sight(&self, source: &GitlabSource, cx: &FakeContext) -> Sight {
        let top = self.instance.ancestors(source).last().map_or(source, |top| *top);
        let owned = self.caller(cx).and_then(|user| top.members.get(&user.id)).is_some_and(|member| member.level == 50);
        Sight { owned: owned.then_some(top.id) }
    }

    fn shown(&self, source: &GitlabSource, user: u64, member: &GitlabMember, cx: &FakeContext) -> Value {
        let sight = self.sight(source, cx);
        self.instance.users.get(&user).map_or(Value::Null, |user| answer::member(&self.instance, user, member, sight, cx))
    }

    /// Whether a level can be given here.
    fn level_in(&self, sort: Sort, source: &GitlabSource, body: &Map<String, Value>) -> Result<u64, FakeResponse> {
        let level = number(body.get("access_level")).ok_or_else(|| invalid("access_level is missing"))?;
        let minimal = sort == Sort::Group && source.parent.is_none() && self.instance.settings.plan > Plan::Free;
        match level {
            5 if !minimal => Err(message(400, json!({ "access_level": ["is not included in the list"] }))),
            5 | 10 | 15 | 20 | 30 | 40 | 50 => Ok(level),
            _ => Err(invalid("access_level does not have a valid value")),
        }
    }

    fn above_inherited(&self, source: &GitlabSource, user: u64, level: u64) -> Result<(), FakeResponse> {
        match self.instance.inherited(source, user) {
            Some((group, member)) if member.level > level => {
                let words = if self.instance.settings.old_wording { "should be higher than" } else { "should be greater than or equal to" };
                let text = format!("{words} {} inherited membership from group {}", answer::level_name(member.level), group.name);
                Err(message(400, json!({ "access_level": [text] })))
            }
            _ => Ok(()),
        }
    }

    /// Whether an administrator has to agree first.
    fn queued(&self, user: &GitlabUser, level: u64, before: u64, cx: &FakeContext) -> bool {
        self.instance.settings.approve_promotions && !self.is_admin(cx) && level > 10 && before <= 10 && !user.admin
    }

    fn over_cap(&self, source: &GitlabSource, user: u64) -> bool {
        let top = self.instance.ancestors(source).last().map_or(source, |top| *top).id;
        let Some(cap) = self.instance.settings.user_cap.filter(|_| self.instance.settings.plan == Plan::Free) else { return false };
        let below = self.instance.below(top);
        let mut seats: Vec<u64> =
            below.iter().filter_map(|(sort, id)| self.instance.sources(*sort).get(id)).flat_map(|source| source.members.keys()).copied().collect();
        seats.sort_unstable();
        seats.dedup();
        !seats.contains(&user) && seats.len() >= cap
    }

    fn role(&self, body: &Map<String, Value>) -> Option<u64> {
        number(body.get("member_role_id")).filter(|_| self.instance.settings.plan == Plan::Ultimate)
    }

    fn is_last_owner(&self, sort: Sort, source: &GitlabSource, user: u64) -> bool {
        let owners = || source.members.iter().filter(|(_, member)| member.level == 50);
        let above = self.instance.ancestors(source).iter().any(|group| group.members.values().any(|member| member.level == 50));
        sort == Sort::Group && !above && owners().count() == 1 && owners().any(|(id, _)| *id == user)
    }
}

/// A day, as it stands in a date or a time.
fn expires(body: &Map<String, Value>, cx: &FakeContext) -> Result<Option<String>, FakeResponse> {
    let Some(text) = body.get("expires_at").and_then(Value::as_str).filter(|text| !text.is_empty()) else { return Ok(None) };
    let day = text.split('T').next().unwrap_or_default().to_owned();
    if day.len() != 10 || day.chars().filter(|c| *c == '-').count() != 2 {
        return Err(invalid("expires_at is invalid"));
    }
    if day < cx.now().date().to_string() {
        return Err(message(400, json!({ "expires_at": ["cannot be a date in the past"] })));
    }
    Ok(Some(day))
}

pub(super) fn list(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["query", "user_ids", "state"])?;
    let (sort, all) = (sort_of(call), call.request.path.ends_with("/all"));
    let source = fake.source(sort, call.param("id"), cx)?;
    let query = |name: &str| call.request.query(name);
    let ids: Option<Vec<u64>> = query("user_ids").map(|ids| ids.split(',').filter_map(|id| id.parse().ok()).collect());
    let wanted = query("query").map(|query| query.to_lowercase());
    let members = fake.instance.users.values().filter_map(|user| {
        let member = if all { fake.instance.effective(&source, user.id)? } else { source.members.get(&user.id)?.clone() };
        let shown = fake.shown(&source, user.id, &member, cx);
        let address = shown.get("email").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let fits = wanted.as_ref().is_none_or(|wanted| {
            if wanted.contains('@') { address == *wanted } else { user.username.to_lowercase().contains(wanted) || user.name.to_lowercase().contains(wanted) }
        });
        let state = query("state").is_none_or(|state| (state == "awaiting") == member.awaiting);
        (fits && state && ids.as_ref().is_none_or(|ids| ids.contains(&user.id))).then_some(shown)
    });
    Ok(page(&fake.instance, call.request, cx, members.collect::<Vec<_>>()))
}

pub(super) fn get(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let source = fake.source(sort_of(call), call.param("id"), cx)?;
    let user = call.param("user_id").parse::<u64>().map_err(|_| invalid("user_id is invalid"))?;
    let all = call.request.segments().get(5).is_some_and(|segment| segment == "all");
    let member = if all { fake.instance.effective(&source, user) } else { source.members.get(&user).cloned() };
    let member = member.ok_or_else(|| not_found(""))?;
    Ok(FakeResponse::json(200, &fake.shown(&source, user, &member, cx)))
}

pub(super) fn add(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    fake.may_manage(sort, &source, cx)?;
    let body = fields(call.request)?;
    let level = fake.level_in(sort, &source, &body)?;
    let by_name = body.get("username").and_then(Value::as_str).and_then(|name| fake.instance.user(name)).map(|user| user.id);
    let id = number(body.get("user_id")).or(by_name).ok_or_else(|| not_found("User "))?;
    let user = fake.instance.users.get(&id).cloned().ok_or_else(|| not_found("User "))?;
    if source.members.contains_key(&id) {
        return Err(message(409, "Member already exists"));
    }
    if source.membership_lock {
        return Err(message(405, "405 Method Not Allowed"));
    }
    if level > fake.level(&source, cx) {
        return Err(forbidden());
    }
    fake.above_inherited(&source, id, level)?;
    let expires = expires(&body, cx)?;
    if fake.queued(&user, level, 0, cx) {
        return Ok(FakeResponse::json(201, &json!({ "message": { user.username: "Request queued for administrator approval." } })));
    }
    let awaiting = fake.over_cap(&source, id);
    let by = fake.caller(cx).map(|user| user.id);
    let member = GitlabMember { level, expires, role: fake.role(&body), awaiting, by, created: cx.now() };
    if let Some(source) = fake.instance.source_mut(sort, source.id) {
        source.members.insert(id, member.clone());
    }
    cx.emit("member.added", json!({ sort.name(): source.id, "user": id, "level": level }));
    cx.emit("member.mail", json!({ "email": user.email, "what": "access granted" }));
    Ok(FakeResponse::json(201, &fake.shown(&source, id, &member, cx)))
}

pub(super) fn edit(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    let id = call.param("user_id").parse::<u64>().map_err(|_| invalid("user_id is invalid"))?;
    let before = source.members.get(&id).cloned().ok_or_else(|| not_found(""))?;
    fake.may_manage(sort, &source, cx)?;
    let body = fields(call.request)?;
    let level = fake.level_in(sort, &source, &body)?;
    if level.max(before.level) > fake.level(&source, cx) || (level < 50 && fake.is_last_owner(sort, &source, id)) {
        return Err(forbidden());
    }
    fake.above_inherited(&source, id, level)?;
    let user = fake.instance.users.get(&id).cloned().ok_or_else(|| not_found("User "))?;
    if fake.queued(&user, level, before.level, cx) {
        return Ok(FakeResponse::json(200, &json!({ "message": { user.username: "Request queued for administrator approval." } })));
    }
    let end = if body.contains_key("expires_at") { expires(&body, cx)? } else { before.expires.clone() };
    // Without a role in the body the custom role goes.
    let member = GitlabMember { level, expires: end, role: fake.role(&body), ..before.clone() };
    if member != before {
        cx.emit("member.changed", json!({ sort.name(): source.id, "user": id, "level": level }));
    }
    if let Some(source) = fake.instance.source_mut(sort, source.id) {
        source.members.insert(id, member.clone());
    }
    Ok(FakeResponse::json(200, &fake.shown(&source, id, &member, cx)))
}

pub(super) fn remove(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["skip_subresources", "unassign_issuables"])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    let id = call.param("user_id").parse::<u64>().map_err(|_| invalid("user_id is invalid"))?;
    let member = source.members.get(&id).ok_or_else(|| not_found(""))?;
    fake.may_manage(sort, &source, cx)?;
    if member.level > fake.level(&source, cx) || fake.is_last_owner(sort, &source, id) {
        return Err(forbidden());
    }
    let skip = call.request.query("skip_subresources").as_deref() == Some("true");
    let all = if sort == Sort::Group && !skip { fake.instance.below(source.id) } else { vec![(sort, source.id)] };
    for (sort, source) in all {
        let gone = fake.instance.source_mut(sort, source).and_then(|source| source.members.remove(&id));
        if gone.is_some() {
            cx.emit("member.removed", json!({ sort.name(): source, "user": id }));
        }
    }
    Ok(FakeResponse::empty(204))
}

/// Lets a member in who waits for a seat, or takes the seat away.
pub(super) fn set_state(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["state"])?;
    let source = fake.source(Sort::Group, call.param("id"), cx)?;
    fake.may_manage(Sort::Group, &source, cx)?;
    let body = fields(call.request)?;
    let state = call.request.query("state").or_else(|| body.get("state").and_then(Value::as_str).map(str::to_owned));
    let awaiting = match state.as_deref() {
        Some("awaiting") => true,
        Some("active") => false,
        _ => return Err(invalid("state does not have a valid value")),
    };
    let id = call.param("user_id").parse::<u64>().map_err(|_| invalid("user_id is invalid"))?;
    for (sort, below) in fake.instance.below(source.id) {
        if let Some(member) = fake.instance.source_mut(sort, below).and_then(|source| source.members.get_mut(&id)) {
            member.awaiting = awaiting;
        }
    }
    Ok(FakeResponse::json(200, &json!({ "success": true })))
}

pub(super) fn invitations(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["query"])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    fake.may_manage(sort, &source, cx)?;
    let wanted = call.request.query("query");
    let open = source.invitations.iter().filter(|(email, _)| wanted.as_ref().is_none_or(|wanted| email.eq_ignore_ascii_case(wanted)));
    let shown = open.map(|(email, invitation)| answer::invitation(&fake.instance, email, invitation));
    Ok(page(&fake.instance, call.request, cx, shown.collect::<Vec<_>>()))
}

/// Answers 201 whatever came of it: <https://docs.gitlab.com/api/invitations/>
pub(super) fn invite(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    fake.may_manage(sort, &source, cx)?;
    let body = fields(call.request)?;
    let level = fake.level_in(sort, &source, &body)?;
    let expires = expires(&body, cx)?;
    let by = fake.caller(cx).map(|user| user.id);
    let mut errors = Map::new();
    for email in body.get("email").and_then(Value::as_str).unwrap_or_default().split(',') {
        if email.split('@').count() != 2 {
            errors.insert(email.to_owned(), "Invite email is invalid".into());
            continue;
        }
        if let Some(user) = fake.instance.users.values().find(|user| user.email.eq_ignore_ascii_case(email)).cloned() {
            // Who has an account becomes a member at once.
            if source.members.contains_key(&user.id) {
                errors.insert(email.to_owned(), "User already exists in source".into());
            } else if let Err(refusal) = fake.above_inherited(&source, user.id, level) {
                let text = refusal.to_json().pointer("/message/access_level/0").and_then(Value::as_str).unwrap_or_default().to_owned();
                errors.insert(email.to_owned(), format!("Access level {text}").into());
            } else if let Some(here) = fake.instance.source_mut(sort, source.id) {
                let member = GitlabMember { level, expires: expires.clone(), role: None, awaiting: false, by, created: cx.now() };
                here.members.insert(user.id, member);
                cx.emit("member.added", json!({ sort.name(): source.id, "user": user.id, "level": level }));
            }
            continue;
        }
        let Some(here) = fake.instance.source_mut(sort, source.id) else { continue };
        if here.invitations.keys().any(|known| known.eq_ignore_ascii_case(email)) {
            errors.insert(email.to_owned(), "Invite email has already been taken".into());
            continue;
        }
        here.invitations.insert(email.to_owned(), GitlabInvitation { level, expires: expires.clone(), by, created: cx.now() });
        cx.emit("invitation.sent", json!({ sort.name(): source.id, "email": email, "level": level }));
    }
    let answer = if errors.is_empty() { json!({ "status": "success" }) } else { json!({ "status": "error", "message": errors }) };
    Ok(FakeResponse::json(201, &answer))
}

fn open(source: &GitlabSource, call: &Call<'_>) -> Result<String, FakeResponse> {
    source.invitations.keys().find(|known| known.eq_ignore_ascii_case(call.param("email"))).cloned().ok_or_else(|| not_found(""))
}

pub(super) fn edit_invitation(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    fake.may_manage(sort, &source, cx)?;
    let (email, body) = (open(&source, call)?, fields(call.request)?);
    let level = if body.contains_key("access_level") { Some(fake.level_in(sort, &source, &body)?) } else { None };
    let end = if body.contains_key("expires_at") { Some(expires(&body, cx)?) } else { None };
    let Some(invitation) = fake.instance.source_mut(sort, source.id).and_then(|source| source.invitations.get_mut(&email)) else { return Err(not_found("")) };
    let before = invitation.clone();
    invitation.level = level.unwrap_or(before.level);
    invitation.expires = end.unwrap_or_else(|| before.expires.clone());
    if *invitation != before {
        cx.emit("invitation.changed", json!({ sort.name(): source.id, "email": email }));
    }
    Ok(FakeResponse::json(200, &json!({ "access_level": invitation.level, "expires_at": invitation.expires })))
}

pub(super) fn withdraw(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    fake.may_manage(sort, &source, cx)?;
    let email = open(&source, call)?;
    if let Some(here) = fake.instance.source_mut(sort, source.id) {
        here.invitations.remove(&email);
    }
    cx.emit("invitation.withdrawn", json!({ sort.name(): source.id, "email": email }));
    Ok(FakeResponse::empty(204))
}
