//! The table of all faults.

use crate::reckoning::Row;

/// Prints it, and below it what is wrong and what was not played.
pub(crate) fn print(rows: &[Row]) {
    println!("{:<15} {:>5} {:>5} {:>17} {:>8}   back after", "fault", "times", "lost", "repeated", "unknown");
    for row in rows {
        println!("{}", line(row));
    }
    for row in rows {
        for problem in &row.problems {
            println!("{}: WRONG: {problem}", row.fault);
        }
    }
}

fn line(row: &Row) -> String {
    let Row { fault, times, lost, repeated, in_flight, unknown, back, not_played, .. } = row;
    if let Some(why) = not_played {
        return format!("{fault:<15} not played: {why}");
    }
    let repeated = format!("{repeated} of {in_flight}");
    format!("{fault:<15} {times:>5} {lost:>5} {repeated:>17} {unknown:>8}   {back}")
}
