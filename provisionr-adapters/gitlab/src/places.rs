//! Groups and projects: the places a person is a member of.

use provisionr_http::{Path, path};
use provisionr_sdk::{AdapterError, CallContext, Owner, Resolution, Result, Target, TargetId, TargetName, suggestion};

use crate::adapter::Gitlab;
use crate::config::Flavour;
use crate::wire::{Shared, Source};

/// Which of the two a kind is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Group,
    Project,
}

impl Sort {
    pub(crate) fn of(kind: &str) -> Result<Self> {
        match kind {
            "add_to_group" => Ok(Self::Group),
            "add_to_project" => Ok(Self::Project),
            other => Err(AdapterError::unsupported(format_args!("the kind `{other}`"))),
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Group => "add_to_group",
            Self::Project => "add_to_project",
        }
    }

    /// The path below a group or project, by its id or full path.
    pub(crate) fn path(self, id: &str) -> Path {
        match self {
            Self::Group => path!["groups", id],
            Self::Project => path!["projects", id],
        }
    }
}

/// A group or project that was read.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) sort: Sort,
    pub(crate) id: String,
    pub(crate) full_path: String,
    /// The full paths of the groups above, nearest first.
    pub(crate) above: Vec<String>,
    /// Groups that are invited to it.
    pub(crate) shared: Vec<Shared>,
    pub(crate) owner: Option<Owner>,
}

/// The paths above a path, nearest first.
pub(crate) fn above(full_path: &str) -> Vec<String> {
    full_path.rmatch_indices('/').filter_map(|(at, _)| full_path.get(..at)).map(str::to_owned).collect()
}

impl Place {
    pub(crate) fn new(sort: Sort, source: Source) -> Self {
        // The space of a person is no group.
        let alone = source.namespace.as_ref().is_some_and(|space| space.kind == "user");
        let (above, owner) = (if alone { Vec::new() } else { above(&source.full_path) }, source.owner());
        Self { sort, id: source.id.to_string(), full_path: source.full_path, above, shared: source.shared_with_groups, owner }
    }

    pub(crate) fn path(&self) -> Path {
        self.sort.path(&self.id)
    }

    pub(crate) fn target(&self) -> Target {
        let target = Target::new(self.id.as_str(), self.full_path.as_str());
        match &self.owner {
            Some(owner) => target.owned_by(owner.clone()),
            None => target,
        }
    }

    /// Refuses for places another party decides about.
    pub(crate) fn check_owner(&self) -> Result<()> {
        self.owner.as_ref().map_or(Ok(()), |owner| Err(AdapterError::owned_elsewhere(format!("{owner} decides who is in `{}`", self.full_path))))
    }
}

impl Gitlab {
    /// The group or project of an id. None also where it is not to be seen.
    pub(crate) async fn place(&self, cx: &CallContext, sort: Sort, id: &TargetId) -> Result<Option<Place>> {
        // The same address takes paths: an id that is none could reach another place.
        if id.as_str().parse::<u64>().is_err() {
            return Ok(None);
        }
        self.place_at(cx, sort, id.as_str()).await
    }

    /// The group or project of an id or full path.
    pub(crate) async fn place_at(&self, cx: &CallContext, sort: Sort, key: &str) -> Result<Option<Place>> {
        let request = self.client.get(sort.path(key));
        // Without it a group brings its projects along.
        let request = if sort == Sort::Group { request.query("with_projects", "false") } else { request };
        let Some(answer) = request.send_if_found(cx).await? else { return Ok(None) };
        let place = Place::new(sort, answer.json()?);
        let asked = place.id == key || place.full_path.eq_ignore_ascii_case(key);
        Ok(Some(place).filter(|place| asked && self.is_ours(&place.full_path)))
    }

    /// Whether a full path is within the group this adapter works for.
    pub(crate) fn is_ours(&self, full_path: &str) -> bool {
        match &self.flavour {
            Flavour::Admin { .. } => true,
            Flavour::Group { path, .. } => full_path.split('/').next().is_some_and(|top| top.eq_ignore_ascii_case(path)),
        }
    }

    pub(crate) async fn resolve_one(&self, cx: &CallContext, sort: Sort, name: &TargetName) -> Result<Resolution> {
        let hostile = name.as_str().split('/').any(|part| matches!(part, "" | "." | ".."));
        // A number would be taken for an id.
        if !hostile
            && name.as_str().parse::<u64>().is_err()
            && let Some(place) = self.place_at(cx, sort, name.as_str()).await?
        {
            return Ok(Resolution::One(place.target()));
        }
        let last: String = name.as_str().rsplit('/').next().unwrap_or_default().chars().take(3).collect();
        let near = self.near(cx, sort, &last).await?;
        let likeliest = suggestion(name.as_str(), near.iter().map(String::as_str)).map(str::to_owned);
        let mut near: Vec<String> = likeliest.into_iter().chain(near).collect();
        let mut seen = std::collections::BTreeSet::new();
        near.retain(|name| seen.insert(name.clone()));
        Ok(Resolution::None(near.into_iter().take(5).map(TargetName::from).collect()))
    }

    /// Full paths of what has these letters in its name, from the first page of a search.
    async fn near(&self, cx: &CallContext, sort: Sort, letters: &str) -> Result<Vec<String>> {
        let answer = self.targets_request(sort).query("search", letters).query("per_page", 100).send(cx).await?;
        Ok(answer.json::<Vec<Source>>()?.into_iter().map(|source| source.full_path).collect())
    }
}
