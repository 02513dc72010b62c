//! Paths that stay where they were meant to go, whatever an id contains.

use std::fmt;

use provisionr_sdk::AdapterError;

/// A path below the base URL, segment by segment. Made by [`path!`](crate::path!).
///
/// - Each segment is percent-encoded, so that `/`, `?` and `%` in an id stay part of the id.
/// - An empty segment, `.`, `..` and control characters are refused when the request is sent: URL parsers drop or resolve
///   such segments, and the request would reach another endpoint.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Path {
    segments: Vec<String>,
}

impl Path {
    /// The base URL itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one segment.
    #[must_use]
    pub fn segment(mut self, segment: impl AsRef<str>) -> Self {
        self.segments.push(segment.as_ref().to_owned());
        self
    }

    /// The segments, not encoded, after a check of each.
    pub(crate) fn checked(&self) -> Result<&[String], AdapterError> {
        for segment in &self.segments {
            let why = match segment.as_str() {
                "" => "is empty",
                // Also within an id: some proxies decode `%2F` before they route.
                text if text.split(['/', '\\']).any(|part| matches!(part, "." | "..")) => "would leave the path",
                text if text.chars().any(char::is_control) => "holds control characters",
                _ => continue,
            };
            return Err(AdapterError::invalid_request(format!("a part of the request's path {why}")));
        }
        Ok(&self.segments)
    }

    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.segments).finish()
    }
}

/// A [`Path`] of segments: texts and ids, each encoded on its own.
///
/// ```
/// use provisionr_http::path;
///
/// let group = provisionr_sdk::TargetId::new("eng/platform");
/// let members = path!["api", "v4", "groups", group, "members"];
/// # let _ = members;
/// ```
#[macro_export]
macro_rules! path {
    ($($segment:expr),* $(,)?) => {
        $crate::Path::new()$(.segment(&$segment))*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn segments_that_would_leave_the_path_are_refused() {
        for hostile in ["", ".", "..", "a/../b", "..\\x", "./a", "a\nb", "\u{7f}", "a\0"] {
            let error = path!["users", hostile].checked().unwrap_err();
            assert_eq!(error.kind(), &provisionr_sdk::ErrorKind::InvalidRequest, "{hostile:?}");
            assert_eq!(error.effect(), provisionr_sdk::Effect::None);
        }
        assert!(path!["users", "..."].checked().is_ok());
        assert!(path!["users", "a/..b/c"].checked().is_ok());
    }
}
