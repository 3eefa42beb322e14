//! URLs that name several servers, of which any or one will do.

/// The URL with each of its hosts alone. As with Postgres' own library, several
/// stand between commas, each with its own port if it has one:
/// `postgres://user@a:5432,b:5433/database`.
#[must_use]
pub fn each_host(url: &str) -> Vec<String> {
    let begin = url.find("://").map_or(0, |scheme| scheme + "://".len());
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |end| begin + end);
    let begin = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    url[begin..end].split(',').map(|host| format!("{}{host}{}", &url[..begin], &url[end..])).collect()
}

#[cfg(test)]
mod tests {
    use super::each_host;

    #[test]
    fn each_host_stands_alone_with_all_the_rest() {
        for (url, each) in [
            ("postgres://a/db", &["postgres://a/db"][..]),
            ("postgres:///db?host=/run/postgresql", &["postgres:///db?host=/run/postgresql"]),
            (
                "postgres://u:p,w@a:1,[::1]:2,c/db?sslmode=require&x=1,2",
                &[
                    "postgres://u:p,w@a:1/db?sslmode=require&x=1,2",
                    "postgres://u:p,w@[::1]:2/db?sslmode=require&x=1,2",
                    "postgres://u:p,w@c/db?sslmode=require&x=1,2",
                ],
            ),
            ("amqps://a,b?heartbeat=5", &["amqps://a?heartbeat=5", "amqps://b?heartbeat=5"]),
            ("amqp://a,", &["amqp://a", "amqp://"]),
            ("", &[""]),
        ] {
            assert_eq!(each_host(url), each, "{url}");
        }
    }
}
