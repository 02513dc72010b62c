//! Lists, in whatever way a vendor cuts them into pages.

use http::{HeaderMap, header};
use provisionr_sdk::{AdapterError, CallContext, Cursor, Page, PageRequest, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::path::Path;
use crate::request::RequestBuilder;

/// More pages than any list an adapter reads as a whole: beyond it the vendor goes in circles.
const MOST_PAGES: usize = 10_000;

/// How a vendor cuts lists into pages.
///
/// A cursor is relative to the request it came from: it can change the query of that request (or, for [`next_url`](Self::next_url), the
/// path below the base address), never its host.
///
/// ```
/// use provisionr_http::Paging;
///
/// let okta = Paging::link().sized("limit", 200);
/// let google = Paging::token("/nextPageToken", "pageToken").items("/members").sized("maxResults", 200);
/// let jira = Paging::start_at("startAt", "/maxResults", "/isLast", "/total").items("/values").sized("maxResults", 50);
/// let scim = Paging::counted("startIndex", "/totalResults").counting_from(1).items("/Resources").sized("count", 100);
/// # let _ = (okta, google, jira, scim);
/// ```
#[derive(Clone, Debug)]
pub struct Paging {
    items: &'static str,
    left_out: Option<(&'static str, &'static str)>,
    size: Option<(&'static str, u32)>,
    cap: Option<usize>,
    first: u64,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    None,
    Link,
    Token { at: &'static str, parameter: &'static str },
    Body { at: &'static str, field: &'static str },
    Url { at: &'static str },
    Offset { parameter: &'static str, total: Option<&'static str> },
    StartAt { parameter: &'static str, step: &'static str, is_last: &'static str, total: &'static str },
    Counted { parameter: &'static str, total: &'static str },
}

impl Paging {
    fn new(next: Next) -> Self {
        Self { items: "", left_out: None, size: None, cap: None, first: 0, next }
    }

    /// One answer holds all there is.
    pub fn none() -> Self {
        Self::new(Next::None)
    }

    /// `Link: <…>; rel="next"` leads to the next page.
    pub fn link() -> Self {
        Self::new(Next::Link)
    }

    /// The body holds a token, at this JSON pointer; it goes into this parameter of the query. None or empty at the end.
    pub fn token(at: &'static str, parameter: &'static str) -> Self {
        Self::new(Next::Token { at, parameter })
    }

    /// The body holds a cursor, at this JSON pointer; it goes into this field of the next request's JSON body.
    pub fn cursor_in_body(at: &'static str, field: &'static str) -> Self {
        Self::new(Next::Body { at, field })
    }

    /// The body holds the address of the next page, at this JSON pointer.
    pub fn next_url(at: &'static str) -> Self {
        Self::new(Next::Url { at })
    }

    /// This parameter of the query counts items. The end is at the number found at the JSON pointer `total`, or where a page is
    /// empty.
    pub fn offset(parameter: &'static str, total: Option<&'static str>) -> Self {
        Self::new(Next::Offset { parameter, total })
    }

    /// This parameter of the query counts items before some are left out: a page may be short, or empty, and not the last.
    /// `step` is where the answer says how many it went through, which may be fewer than were asked for. The end is where the
    /// flag at `is_last` is true or, without one, at the number found at `total`.
    pub fn start_at(parameter: &'static str, step: &'static str, is_last: &'static str, total: &'static str) -> Self {
        Self::new(Next::StartAt { parameter, step, is_last, total })
    }

    /// This parameter of the query counts items, of which the answer says at `total` how many there are: no more and no fewer.
    /// A list that has grown or shrunk since the page before has shifted beneath the reader, and is incomplete; so is one that
    /// ends early, and one whose pages say under the parameter's name that they begin elsewhere.
    pub fn counted(parameter: &'static str, total: &'static str) -> Self {
        Self::new(Next::Counted { parameter, total })
    }

    /// The number of the first item, for [`offset`](Self::offset), [`start_at`](Self::start_at) and [`counted`](Self::counted);
    /// 0 unless set.
    #[must_use]
    pub fn counting_from(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// Where the items are: a JSON pointer; the whole body unless set.
    #[must_use]
    pub fn items(mut self, at: &'static str) -> Self {
        self.items = at;
        self
    }

    /// The vendor leaves an empty list out: where there is none, this text at this JSON pointer says that it is one all the same.
    #[must_use]
    pub fn left_out_when_empty(mut self, at: &'static str, says: &'static str) -> Self {
        self.left_out = Some((at, says));
        self
    }

    /// The parameter for the size of a page, and the size asked for where the caller names none; also the most a caller gets.
    #[must_use]
    pub fn sized(mut self, parameter: &'static str, size: u32) -> Self {
        self.size = Some((parameter, size));
        self
    }

    /// The vendor cuts the list off here without a word: a page this long is incomplete.
    #[must_use]
    pub fn capped(mut self, items: usize) -> Self {
        self.cap = Some(items);
        self
    }
}

impl RequestBuilder<'_> {
    /// Reads one page.
    ///
    /// # Errors
    /// Those of [`send`](Self::send); `Protocol` when the items are not there or the next page is on another host; `StaleCursor`
    /// for a cursor that is none of this list.
    pub async fn page<T: DeserializeOwned>(self, cx: &CallContext, page: &PageRequest, paging: &Paging) -> Result<Page<T>> {
        let mut request = self;
        let mut asked = None;
        if let Some((parameter, most)) = paging.size {
            let size = page.size.unwrap_or(most).clamp(1, most);
            request = request.set_query(parameter, size);
            asked = Some(size);
        }
        if let Some(cursor) = &page.cursor {
            request = turn_to(request, paging, cursor)?;
        }
        let url = request.url()?;
        let base = request.base().clone();
        let from = page.cursor.as_ref().and_then(|cursor| counter(cursor).0.parse().ok()).unwrap_or(paging.first);
        let answer = request.send(cx).await?;
        let body: Value = answer.json()?;
        let items: Vec<T> = match body.pointer(paging.items) {
            Some(Value::Array(items)) => items
                .iter()
                .map(T::deserialize)
                .collect::<Result<_, _>>()
                .map_err(|_| answer.unreadable("an item of the list is not what the vendor describes"))?,
            None if paging.left_out.is_some_and(|(at, says)| body.pointer(at).and_then(Value::as_str) == Some(says)) => Vec::new(),
            _ => return Err(answer.unreadable("the answer holds no list where the vendor describes one")),
        };
        let next = next(paging, &answer, &body, &Here { url: &url, base: &base, from, count: items.len(), asked })?;
        if next.is_some() && next == page.cursor {
            return Err(answer.unreadable("the next page is the page itself"));
        }
        let cut = paging.cap.is_some_and(|cap| items.len() >= cap).then_some("the vendor ends this list without a word");
        let why = cut.or_else(|| miscounted(paging, page.cursor.as_ref(), &body, from, items.len()));
        let page = Page::new(items, next);
        Ok(why.into_iter().fold(page, Page::incomplete))
    }

    /// Reads all pages.
    ///
    /// # Errors
    /// Those of [`page`](Self::page); `Protocol` when there is no end, or the vendor cut the list off.
    pub async fn all<T: DeserializeOwned>(self, cx: &CallContext, paging: &Paging) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut at = PageRequest::first();
        for _ in 0..MOST_PAGES {
            let page = self.clone().page(cx, &at, paging).await?;
            all.extend(page.items);
            if let provisionr_sdk::Completeness::Incomplete(why) = page.completeness {
                return Err(AdapterError::protocol(format!("the list is incomplete: {why}")));
            }
            match page.next {
                Some(next) => at.cursor = Some(next),
                None => return Ok(all),
            }
        }
        Err(AdapterError::protocol("the list has no end"))
    }
}

/// Where a page was read, and how much was on it.
struct Here<'a> {
    url: &'a Url,
    base: &'a Url,
    from: u64,
    count: usize,
    asked: Option<u32>,
}

fn turn_to<'a>(request: RequestBuilder<'a>, paging: &Paging, cursor: &Cursor) -> Result<RequestBuilder<'a>> {
    let text = cursor.as_str();
    Ok(match &paging.next {
        Next::None => return Err(AdapterError::stale_cursor("this list has one page")),
        Next::Link => {
            let mut request = request;
            request.vendor_query = Some(text.to_owned());
            request
        }
        Next::Token { parameter, .. } | Next::Offset { parameter, .. } | Next::StartAt { parameter, .. } => request.set_query(parameter, text),
        Next::Counted { parameter, .. } => request.set_query(parameter, counter(cursor).0),
        Next::Body { field, .. } => {
            let mut body = request.json_body().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            match body.as_object_mut() {
                Some(fields) => fields.insert((*field).to_owned(), text.into()),
                None => return Err(AdapterError::invalid_request("a cursor goes into a body that is a JSON object")),
            };
            request.json(&body)
        }
        Next::Url { .. } => {
            let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
            // Decoded here and encoded again on the way out, each segment checked as any other.
            let path = path.split('/').try_fold(Path::new(), |path, segment| {
                let segment = decoded(segment).ok_or_else(|| AdapterError::stale_cursor("the cursor is none of this list"))?;
                Ok::<_, AdapterError>(path.segment(segment))
            })?;
            let mut request = request.set_path(path);
            request.vendor_query = Some(query.unwrap_or_default().to_owned());
            request
        }
    })
}

/// The number at which a page begins, and how many items there were when the cursor was made.
fn counter(cursor: &Cursor) -> (&str, Option<u64>) {
    let text = cursor.as_str();
    text.split_once('/').map_or((text, None), |(from, total)| (from, total.parse().ok()))
}

/// Why a page of a counted list leaves something out, if it does.
fn miscounted(paging: &Paging, cursor: Option<&Cursor>, body: &Value, from: u64, count: usize) -> Option<&'static str> {
    let Next::Counted { parameter, total } = paging.next else { return None };
    if cursor.is_some() && body.get(parameter).and_then(Value::as_u64).is_some_and(|start| start != from) {
        return Some("the page begins elsewhere than it was asked to");
    }
    let total = body.pointer(total).and_then(Value::as_u64)?;
    let before = cursor.and_then(|cursor| counter(cursor).1);
    if before.is_some_and(|before| before != total) {
        return Some("the list has grown or shrunk since the page before");
    }
    (count == 0 && from.saturating_sub(paging.first) < total).then_some("the list ends before it has shown as many as it says there are")
}

fn next(paging: &Paging, answer: &Answer, body: &Value, here: &Here<'_>) -> Result<Option<Cursor>> {
    let text = |at: &str| match body.pointer(at) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let number = |at: &str| body.pointer(at).and_then(Value::as_u64);
    let count = u64::try_from(here.count).unwrap_or(u64::MAX);
    Ok(match &paging.next {
        Next::None => None,
        Next::Link => match next_link(answer.headers()) {
            None => None,
            Some(link) => {
                let link = same_origin(&link, here, answer)?;
                if link.path() != here.url.path() {
                    return Err(answer.unreadable("the next page is of another list"));
                }
                Some(link.query().unwrap_or_default().into())
            }
        },
        Next::Token { at, .. } | Next::Body { at, .. } => text(at).map(Cursor::from),
        Next::Url { at } => match text(at) {
            None => None,
            Some(link) => {
                let link = same_origin(&link, here, answer)?;
                let root = here.base.path().trim_end_matches('/');
                let Some(path) = link.path().strip_prefix(root).and_then(|path| path.strip_prefix('/')) else {
                    return Err(answer.unreadable("the next page is outside the base address"));
                };
                Some(Cursor::from(link.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))))
            }
        },
        Next::Offset { total, .. } => {
            let until = here.from.saturating_add(count);
            let more = total.and_then(number).is_none_or(|total| until - paging.first < total);
            (more && count > 0).then(|| until.to_string().into())
        }
        Next::Counted { total, .. } => {
            let (until, total) = (here.from.saturating_add(count), number(total));
            let more = count > 0 && total.is_none_or(|total| until - paging.first < total);
            more.then(|| total.map_or_else(|| until.to_string(), |total| format!("{until}/{total}")).into())
        }
        Next::StartAt { step, is_last, total, .. } => {
            // An empty page that does not say how many it went through is as long as it was asked to be.
            let step = number(step).unwrap_or_else(|| if count > 0 { count } else { here.asked.map_or(0, u64::from) }).max(count);
            let until = here.from.saturating_add(step);
            let more = match (body.pointer(is_last).and_then(Value::as_bool), number(total)) {
                (Some(last), _) => !last,
                (None, Some(total)) => until - paging.first < total,
                (None, None) => count > 0,
            };
            (more && step > 0).then(|| until.to_string().into())
        }
    })
}

fn same_origin(link: &str, here: &Here<'_>, answer: &Answer) -> Result<Url> {
    let link = here.url.join(link).map_err(|_| answer.unreadable("the address of the next page is none"))?;
    if link.origin() != here.base.origin() {
        return Err(answer.unreadable("the next page is on another host"));
    }
    Ok(link)
}

/// The target of `rel="next"`, from one or several `Link` headers (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::LINK).iter().filter_map(|line| line.to_str().ok());
    for line in lines {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once('<') {
            let (target, parameters) = after.split_once('>')?;
            // The next link begins at the next `<`; commas and semicolons may stand in targets and in quotes.
            let own = parameters.split('<').next().unwrap_or_default();
            let is_next = own.split([';', ',']).any(|parameter| {
                parameter.split_once('=').is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
                })
            });
            if is_next {
                return Some(target.to_owned());
            }
            rest = parameters;
        }
    }
    None
}

fn decoded(segment: &str) -> Option<String> {
    let bytes = segment.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            plain.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            plain.push(*byte);
        }
    }
    String::from_utf8(plain).ok()
}
