//! Text and pictures inside a page.

/// Text as HTML, also within quotes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// An SVG document as the source of an image: apart from the page, so that names inside cannot clash.
pub fn image_source(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() + svg.len() / 4);
    out.push_str("data:image/svg+xml,");
    for c in svg.chars() {
        match c {
            '"' => out.push('\''),
            '\'' => out.push_str("%27"),
            '%' | '#' | '<' | '>' | '&' | '\n' | '\t' => out.push_str(&format!("%{:02X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_an_attribute() {
        assert_eq!(escaped("a < b & \"c\" 'd'"), "a &lt; b &amp; &quot;c&quot; &#39;d&#39;");
        let source = image_source("<svg a=\"1\"><text>50% of #1 &amp; it's</text>\n</svg>");
        assert!(!source.contains(['"', '<', '>', '#', '&', '\n']), "{source}");
        assert!(source.contains("a='1'") && source.contains("50%25 of %231 %26amp; it%27s"), "{source}");
    }
}
