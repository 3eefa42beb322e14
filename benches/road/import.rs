//! People and searches through `jobalerts import`, a person a line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use crate::daemon::Program;
use crate::ground::Ground;
use crate::population::Population;
use crate::report::{Report, grouped, megabytes, per_second, rate};

/// Imports these searches of the population.
pub(crate) async fn measure(
    ground: &Ground,
    population: &Population,
    searches: Range<u32>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("road-people.jsonl");
    let mut writer = BufWriter::new(File::create(&file)?);
    let lines = population.write(&searches, &mut writer)?;
    writer.flush()?;
    drop(writer);

    let begun = Instant::now();
    let import = Program::start(ground, &["import", &file.display().to_string()], &[])?;
    let peak = import.finished().await?;
    let rate = rate(lines, begun.elapsed());
    std::fs::remove_file(&file)?;
    let present = ground.count("select count(*) from searches").await?;
    anyhow::ensure!(present == u64::from(searches.end), "{present} searches were imported");
    let criteria = ground.count("select count(*) from criteria").await?;

    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let counted = |count: u64| grouped(count as f64);
    report.add(
        format!(
            "import of {} lines, to {} searches over {} criteria",
            counted(lines),
            counted(present),
            counted(criteria)
        ),
        per_second(rate),
    );
    report.aim("  memory of the importer", megabytes(peak), "under 100 MB", peak < 100_000_000);
    ground.settle().await
}
