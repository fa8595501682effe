//! Where the token may go.

use reqwest::Url;

/// The address to which `uri` leads from the listing at `path`.
///
/// D-API-1: scheme, host and port are those that are configured, and the path is the listing's own
/// or lies below it; nothing else is sent a token.
pub(super) fn followed(api: &Url, path: &str, uri: &str) -> Result<Url, &'static str> {
    let mut from = api.clone();
    from.set_path(path);
    let url = from.join(uri).map_err(|_| "a nextUri that is no address")?;
    if url.origin() != api.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err("a nextUri of another host");
    }
    let rest = url.path().strip_prefix(from.path());
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        Ok(url)
    } else {
        Err("a nextUri of another path")
    }
}
