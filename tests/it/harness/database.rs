//! A database for each test, cloned from one that was migrated once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

/// Serialises the making of the template among processes.
const TEMPLATE_LOCK: i64 = 0x006a_6f62_616c_6572;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database that is dropped at the end, also of a test that fails.
pub(super) struct Database {
    name: String,
    url: String,
}

impl Database {
    pub(super) async fn new() -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("jobalerts_it_{}", Uuid::new_v4().simple());
        let mut server = server().await;
        execute(&mut server, format!("create database {name} template {template}")).await;
        server.close().await.unwrap();
        Self { url: url_of(&name), name }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("drop database if exists {} with (force)", self.name);
        super::broker::apart(async move {
            let mut server = server().await;
            execute(&mut server, drop).await;
        });
    }
}

fn server_url() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| {
        panic!(
            "DATABASE_URL is not set; run `deploy/dev/services run -- cargo test`, which starts the servers"
        )
    })
}

async fn server() -> PgConnection {
    PgConnection::connect(&server_url()).await.expect("PostgreSQL is at DATABASE_URL")
}

fn url_of(name: &str) -> String {
    let mut url = Url::parse(&server_url()).expect("DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
}

async fn execute(server: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(server).await.unwrap();
}

/// The name of a database with all tables and no rows. Migrations that differ have templates that
/// differ; whoever comes first makes it.
async fn template() -> String {
    let name = format!("jobalerts_it_template_{:016x}", migrations());
    let mut server = server().await;
    sqlx::query("select pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut server).await.unwrap();
    let made: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1 and datistemplate)")
            .bind(&name)
            .fetch_one(&mut server)
            .await
            .unwrap();
    if !made {
        execute(&mut server, format!("drop database if exists {name} with (force)")).await;
        execute(&mut server, format!("create database {name}")).await;
        jobalerts::store::migrate(&url_of(&name)).await.unwrap();
        // Only now, so that one that was given up half-way is not taken for done.
        execute(&mut server, format!("alter database {name} is_template true")).await;
    }
    server.close().await.unwrap();
    name
}

fn migrations() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files: BTreeMap<_, _> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().map(ToOwned::to_owned), std::fs::read(path).unwrap()))
        .collect();
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}
