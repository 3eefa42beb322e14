//! A database for each test, cloned from one that was migrated once, under the roles that a real one has:
//! the program works on it as the daemon does, and the tests look at it as a superuser.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

/// Serialises the making of the template among processes.
const TEMPLATE_LOCK: i64 = 0x006a_6f62_616c_6572;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// What an installation sets up before its first migration, and after each.
const ROLES: &str = include_str!("../../../deploy/postgres/roles.sql");
const GRANTS: &str = include_str!("../../../deploy/postgres/grants.sql");

/// The roles of `deploy/postgres/roles.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Owns the tables.
    Migrate,
    /// The daemon.
    Worker,
    /// The pages.
    Web,
    /// Who only looks.
    Read,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Migrate, Self::Worker, Self::Web, Self::Read];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Worker => "worker",
            Self::Web => "web",
            Self::Read => "read",
        }
    }

    /// Its name on the server: all databases with the same tables and grants share it.
    pub(crate) fn name(self) -> String {
        format!("{}_{}", prefix(), self.suffix())
    }
}

/// A database that is dropped at the end, also of a test that fails.
pub(super) struct Database {
    name: String,
}

impl Database {
    pub(super) async fn new() -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("jobalerts_it_{}", Uuid::new_v4().simple());
        let mut server = server().await;
        execute(&mut server, format!("create database {name} template {template}")).await;
        server.close().await.unwrap();
        Self { name }
    }

    /// How a role reaches it.
    pub(super) fn url_as(&self, role: Role) -> String {
        url_as(role, &self.url())
    }

    /// How the tests reach it.
    pub(super) fn url(&self) -> String {
        url_of(&self.name)
    }
}

/// Runs `deploy/postgres/roles.sql`.
pub(crate) async fn set_up_roles(connection: &mut PgConnection) -> sqlx::Result<()> {
    set(&mut *connection, "jobalerts.prefix", &prefix()).await?;
    sqlx::raw_sql(ROLES).execute(connection).await.map(|_| ())
}

/// Runs `deploy/postgres/grants.sql`.
pub(crate) async fn grant(connection: &mut PgConnection, webhook: bool) -> sqlx::Result<()> {
    set(&mut *connection, "jobalerts.prefix", &prefix()).await?;
    set(&mut *connection, "jobalerts.webhook", if webhook { "on" } else { "off" }).await?;
    sqlx::raw_sql(GRANTS).execute(connection).await.map(|_| ())
}

async fn set(connection: &mut PgConnection, name: &str, value: &str) -> sqlx::Result<()> {
    let set = sqlx::query("select set_config($1, $2, false)").bind(name).bind(value);
    set.execute(connection).await.map(|_| ())
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

/// The same way to a database, under a role.
pub(super) fn url_as(role: Role, url: &str) -> String {
    let mut url = Url::parse(url).expect("a URL");
    url.set_username(&role.name()).expect("the URL has a host");
    url.set_password(Some(&password())).expect("the URL has a host");
    url.into()
}

/// What the names of the roles begin with.
fn prefix() -> String {
    format!("jobalerts_it_{:016x}", version())
}

/// The password of the roles. They can do nothing but what is in databases of tests.
fn password() -> String {
    format!("{:016x}", version())
}

async fn execute(server: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(server).await.unwrap();
}

/// The name of a database with all tables and no rows. Migrations or grants that differ have templates
/// that differ; whoever comes first makes it.
async fn template() -> String {
    let name = format!("jobalerts_it_template_{:016x}", version());
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
        make(&name).await;
        // Only now, so that one that was given up half-way is not taken for done.
        execute(&mut server, format!("alter database {name} is_template true")).await;
    }
    server.close().await.unwrap();
    name
}

/// Sets a new database up as an installation does: roles, tables, grants.
async fn make(name: &str) {
    let mut database = PgConnection::connect(&url_of(name)).await.unwrap();
    set_up_roles(&mut database).await.expect("the user of DATABASE_URL is a superuser");
    for role in Role::ALL {
        let password = format!("alter role {} password '{}'", role.name(), password());
        execute(&mut database, password).await;
    }
    database.close().await.unwrap();
    jobalerts::store::migrate(&url_as(Role::Migrate, &url_of(name))).await.unwrap();
    let mut owner = PgConnection::connect(&url_as(Role::Migrate, &url_of(name))).await.unwrap();
    grant(&mut owner, false).await.unwrap();
    owner.close().await.unwrap();
}

/// Stands for the tables and who may do what with them.
fn version() -> u64 {
    static VERSION: OnceLock<u64> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let files: BTreeMap<_, _> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().map(ToOwned::to_owned), std::fs::read(path).unwrap()))
            .collect();
        let mut hasher = DefaultHasher::new();
        (files, ROLES, GRANTS).hash(&mut hasher);
        hasher.finish()
    })
}
