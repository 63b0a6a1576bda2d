//! Taking texts apart at single bytes, which are ASCII. The standard library's own ways find any pattern and are several times as large.

/// What stands before and after the first such byte.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|byte| byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// The parts of a text between such bytes; one more than there are of these.
pub(crate) fn parts(text: &str, between: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let (part, after) =
            cut(text, between).map_or((text, None), |(part, after)| (part, Some(after)));
        rest = after;
        Some(part)
    })
}
