//! system/top.txt: `top -b -n 1` (procps), and the node monitoring agent's own rendering of it.

use super::words::{Columns, cell, complaint, find, number, text};
use super::{Lines, Parsed, Span};

/// A value with the line that tells it.
pub type Told<T> = Option<(Span, T)>;

/// How processes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Tasks {
    pub total: u64,
    pub running: u64,
    pub sleeping: u64,
    pub stopped: u64,
    pub zombie: u64,
}

/// Where the CPUs' time went, in percent; in the first iteration that top prints, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
    pub nice: f64,
    pub idle: f64,
    pub io_wait: f64,
    pub irq: f64,
    pub soft_irq: f64,
    /// Time that the hypervisor gave to someone else.
    pub steal: f64,
}

/// Memory or swap, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Memory {
    pub total: u64,
    pub free: u64,
    pub used: u64,
    pub cache: u64,
    /// What new processes can get without swapping; the agent's rendering lacks it.
    pub available: Option<u64>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Where it stands.
    pub span: Span,
    /// Its id.
    pub pid: u32,
    /// Its owner.
    pub user: String,
    /// `R`, `S`, `D`, `Z`, `T`, `I`; none in the agent's rendering.
    pub state: Option<u8>,
    /// Resident memory in KiB.
    pub resident: u64,
    /// Share of one CPU in percent, since the process started.
    pub cpu: f64,
    /// Its name, at most fifteen characters.
    pub command: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Top {
    /// Seconds since boot.
    pub uptime: Told<u64>,
    /// Processes that run or wait uninterruptibly, over one, five and fifteen minutes.
    pub load: Told<[f64; 3]>,
    /// Processes by state.
    pub tasks: Told<Tasks>,
    /// All CPUs together.
    pub cpu: Told<Cpu>,
    /// Memory.
    pub memory: Told<Memory>,
    /// Swap; `available` is never set.
    pub swap: Told<Memory>,
    /// The table, in its order.
    pub processes: Vec<Process>,
}

/// `12.3 label, 4 label. 5 label`: numbers and what they are of.
fn pairs(line: &[u8]) -> impl Iterator<Item = (f64, &[u8])> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(u8::is_ascii_digit)?;
        rest = &rest[start..];
        let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(rest.len());
        let value = number(&rest[..end]).unwrap_or(f64::NAN);
        rest = &rest[end..];
        let end =
            rest.iter().position(|byte| matches!(byte, b',' | b'.') || byte.is_ascii_digit()).unwrap_or(rest.len());
        let label = rest[..end].strip_prefix(b"+").unwrap_or(&rest[..end]).trim_ascii();
        rest = &rest[end..];
        Some((value, label))
    })
}

/// `12:01:02 up 1 day,  6:12,  0 users,  `: seconds.
fn uptime(line: &[u8]) -> Option<u64> {
    let line = text(line);
    let (clock, since) = line.trim().split_once(' ')?;
    clock.contains(':').then_some(())?;
    let mut seconds = 0u64;
    for part in since.trim().trim_start_matches("up").split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let add = match part.split_once(' ').map(|(count, unit)| (count, unit.trim())) {
            Some((days, "day" | "days")) => days.parse::<u32>().ok()?.checked_mul(24 * 3600),
            Some((minutes, "min" | "mins")) => minutes.parse::<u32>().ok()?.checked_mul(60),
            Some((_, "user" | "users")) => Some(0),
            None => {
                let (hours, minutes) = part.split_once(':')?;
                hours.parse::<u32>().ok()?.checked_mul(3600)?.checked_add(minutes.parse::<u32>().ok()?.checked_mul(60)?)
            }
            Some(_) => None,
        };
        seconds += u64::from(add?);
    }
    Some(seconds)
}

fn cpu(line: &[u8]) -> Cpu {
    let mut cpu = Cpu::default();
    for (percent, label) in pairs(line) {
        let field = match label {
            b"us" => &mut cpu.user,
            b"sy" => &mut cpu.system,
            b"ni" => &mut cpu.nice,
            b"id" => &mut cpu.idle,
            b"wa" => &mut cpu.io_wait,
            b"hi" => &mut cpu.irq,
            b"si" => &mut cpu.soft_irq,
            b"st" => &mut cpu.steal,
            _ => continue,
        };
        *field = percent;
    }
    cpu
}

fn memory(line: &[u8]) -> Memory {
    let scale = match line.first() {
        Some(b'M') => 1024.0,
        Some(b'G') => 1024.0 * 1024.0,
        _ => 1.0,
    };
    let mut memory = Memory::default();
    let numbers = find(line, b":").map_or(line, |colon| &line[colon..]);
    for (value, label) in pairs(numbers) {
        let value = (value * scale) as u64;
        match label {
            b"total" | b"Total" => memory.total = value,
            b"free" => memory.free = value,
            b"used" => memory.used = value,
            b"buff/cache" | b"buffers/cache" => memory.cache = value,
            b"avail Mem" => memory.available = Some(value),
            _ => {}
        }
    }
    memory
}

fn tasks(line: &[u8]) -> Tasks {
    let mut tasks = Tasks::default();
    for (count, label) in pairs(line) {
        let field = match label {
            b"total" => &mut tasks.total,
            b"running" => &mut tasks.running,
            b"sleeping" => &mut tasks.sleeping,
            b"stopped" => &mut tasks.stopped,
            b"zombie" => &mut tasks.zombie,
            _ => continue,
        };
        *field = count as u64;
    }
    tasks
}

/// Memory of a row: KiB, or with a unit when it is much.
fn kibibytes(word: &[u8]) -> Option<u64> {
    let (digits, scale) = match word.split_last()? {
        (b'm', digits) => (digits, 1024.0),
        (b'g', digits) => (digits, 1024.0 * 1024.0),
        (b't', digits) => (digits, 1024.0 * 1024.0 * 1024.0),
        _ => (word, 1.0),
    };
    let value: f64 = number(digits)?;
    Some((value * scale) as u64)
}

fn process(span: Span, columns: &Columns, cells: &[&[u8]]) -> Option<Process> {
    let of = |name: &str| cell(cells, columns.index(name));
    Some(Process {
        span,
        pid: number(of("PID")?)?,
        user: text(of("USER")?),
        state: of("S").and_then(|state| state.first().copied()),
        resident: kibibytes(of("RES")?)?,
        cpu: number(of("%CPU")?)?,
        command: text(of("COMMAND")?.trim_ascii()),
    })
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Top> {
    let mut parsed = Parsed::new(Top::default());
    let mut columns: Option<Columns> = None;
    let mut cells = Vec::new();
    for (span, line) in Lines::new(file) {
        let line = line.trim_ascii();
        let top = &mut parsed.value;
        if line.is_empty() || line.starts_with(b"%Cpu") && !line.starts_with(b"%Cpu(s)") {
            continue;
        }
        if let Some(head) = line.strip_prefix(b"top - ") {
            if let Some(load) = find(head, b"load average:") {
                let mut values = pairs(&head[load..]).map(|(value, _)| value);
                if let (Some(one), Some(five), Some(fifteen)) = (values.next(), values.next(), values.next()) {
                    top.load = Some((span, [one, five, fifteen]));
                }
                top.uptime = uptime(&head[..load]).map(|seconds| (span, seconds));
            }
        } else if line.starts_with(b"Tasks:") || line.starts_with(b"Threads:") {
            top.tasks = Some((span, tasks(line)));
        } else if let Some(values) = line.strip_prefix(b"%Cpu(s):") {
            top.cpu = Some((span, cpu(values)));
        } else if find(line, b"iB Mem").is_some_and(|at| at == 1) {
            top.memory = Some((span, memory(line)));
        } else if find(line, b"iB Swap").is_some_and(|at| at == 1) {
            let swap = memory(line);
            if let (Some((_, memory)), Some(available)) = (&mut top.memory, swap.available) {
                memory.available = Some(available);
            }
            top.swap = Some((span, Memory { available: None, ..swap }));
        } else if line.starts_with(b"PID ") {
            columns = Some(Columns::header(line));
        } else if let Some(row) = columns
            .as_ref()
            .filter(|columns| columns.row(line, &mut cells))
            .and_then(|columns| process(span, columns, &cells))
        {
            top.processes.push(row);
        } else {
            parsed.problem(span, complaint(line).unwrap_or("not a line of top"));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn print(top: &Top) -> String {
        let mut out = String::new();
        if let (Some((_, uptime)), Some((_, [one, five, fifteen]))) = (top.uptime, top.load) {
            let (days, hours, minutes) = (uptime / 86400, uptime / 3600 % 24, uptime / 60 % 60);
            let days = if days > 0 { format!("{days} days, ") } else { String::new() };
            let rest = if hours > 0 { format!("{hours:>2}:{minutes:02}") } else { format!("{minutes} min") };
            out += &format!(
                "top - 03:12:06 up {days}{rest},  0 users,  load average: {one:.2}, {five:.2}, {fifteen:.2}\n"
            );
        }
        if let Some((_, tasks)) = top.tasks {
            out += &format!(
                "Tasks: {} total, {:>3} running, {} sleeping, {:>3} stopped, {:>3} zombie\n",
                tasks.total, tasks.running, tasks.sleeping, tasks.stopped, tasks.zombie
            );
        }
        if let Some((_, cpu)) = top.cpu {
            out += &format!(
                "%Cpu(s):{:>5.1} us,{:>5.1} sy,{:>5.1} ni,{:>5.1} id,{:>5.1} wa,{:>5.1} hi,{:>5.1} si,{:>5.1} st\n",
                cpu.user, cpu.system, cpu.nice, cpu.idle, cpu.io_wait, cpu.irq, cpu.soft_irq, cpu.steal
            );
        }
        if let (Some((_, memory)), Some((_, swap))) = (top.memory, top.swap) {
            out += &format!(
                "KiB Mem : {:>8} total, {:>8} free, {:>8} used, {:>8} buff/cache\n",
                memory.total, memory.free, memory.used, memory.cache
            );
            out += &format!(
                "KiB Swap: {:>8} total, {:>8} free, {:>8} used. {:>8} avail Mem \n",
                swap.total,
                swap.free,
                swap.used,
                memory.available.unwrap()
            );
        }
        out += "\n    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND\n";
        for row in &top.processes {
            out += &format!(
                "{:>7} {:<8}  20   0 2048132 {:>6}   8816 {} {:>5.1}   0.6   4:06.23 {}\n",
                row.pid,
                row.user,
                row.resident,
                row.state.unwrap() as char,
                row.cpu,
                row.command
            );
        }
        out
    }

    fn tenths(below: u32) -> impl Strategy<Value = f64> {
        (0..below).prop_map(|tenths| f64::from(tenths) / 10.0)
    }

    prop_compose! {
        fn top_of()(
            minutes in 0..99_999u64, load in (0..9999u32, 0..9999u32, 0..9999u32), tasks in [0..9999u64, 0..9999, 0..9999, 0..9999],
            cpu in [tenths(1001), tenths(1001), tenths(1001), tenths(1001), tenths(1001)], memory in [0..1u64 << 40, 0..1 << 40, 0..1 << 40, 0..1 << 40, 0..1 << 40],
            rows in proptest::collection::vec((1..4_194_304u32, "[a-z0-9+-]{1,8}", "[RSDZTI]", 0..99_999_999u64, tenths(99_999), "[a-z0-9:./()-]{1,9}( [a-z]{1,3})?"), 0..5),
        ) -> Top {
            let span = Span::default();
            let hundredths = |count| f64::from(count) / 100.0;
            Top {
                uptime: Some((span, minutes * 60)),
                load: Some((span, [hundredths(load.0), hundredths(load.1), hundredths(load.2)])),
                tasks: Some((span, Tasks { total: tasks[0], running: tasks[1], sleeping: tasks[2], stopped: 0, zombie: tasks[3] })),
                cpu: Some((span, Cpu { user: cpu[0], system: cpu[1], nice: 0.0, idle: cpu[2], io_wait: cpu[3], irq: 0.0, soft_irq: 0.1, steal: cpu[4] })),
                memory: Some((span, Memory { total: memory[0], free: memory[1], used: memory[2], cache: memory[3], available: Some(memory[4]) })),
                swap: Some((span, Memory { total: memory[1], free: memory[2], used: memory[0], ..Memory::default() })),
                processes: rows.into_iter().map(|(pid, user, state, resident, cpu, command)| Process { span, pid, user, state: state.bytes().next(), resident, cpu, command }).collect(),
            }
        }
    }

    fn bare(top: Top) -> Top {
        fn no<T>(told: Told<T>) -> Told<T> {
            told.map(|(_, value)| (Span::default(), value))
        }
        let processes = top.processes.into_iter().map(|row| Process { span: Span::default(), ..row }).collect();
        Top {
            uptime: no(top.uptime),
            load: no(top.load),
            tasks: no(top.tasks),
            cpu: no(top.cpu),
            memory: no(top.memory),
            swap: no(top.swap),
            processes,
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(top in top_of()) {
            let parsed = parse(print(&top).as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            prop_assert_eq!(bare(parsed.value), top);
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n]{0,200}", head in "(top - |Tasks:|%Cpu\\(s\\):|MiB Mem|KiB Swap|PID )[ -~]{0,60}\n?[ -~]{0,80}") {
            parse(file.as_bytes());
            parse(head.as_bytes());
        }
    }

    #[test]
    fn the_agents_rendering() {
        let parsed = parse(b"top - 15:04:05  16 days, 14:57, load average: 0.23, 0.05, 0.02\nTasks: 120 total, 1 running, 80 sleeping, 0 stopped, 2 zombie\n%Cpu(s): 1.0 us, 2.5sy, 0.0 ni, 90.0 id, 0.1 wa, 0.0 hi, 0.2 si, 6.2 st\n%Cpu0: 1.0 us, 2.5sy, 0.0 ni, 90.0 id, 0.1 wa, 0.0 hi, 0.2 si, 6.2 st\nKiB Mem : 7848168 Total, 81168 free, 1111 used, 5000 buffers/cache\nKiB Swap: 0 total, 0 free, 0 used.\nPID   USER  NI  VIRT  RES  %CPU  %MEM  TIME+  COMMAND\n1     root  20  1024  512  0.1   0.0   1.20   systemd\n");
        assert_eq!(parsed.problem_count, 0);
        let top = parsed.value;
        assert_eq!(top.uptime.unwrap().1, 16 * 86400 + 14 * 3600 + 57 * 60);
        let cpu = top.cpu.unwrap().1;
        assert_eq!((cpu.system, cpu.steal), (2.5, 6.2));
        let memory = top.memory.unwrap().1;
        assert_eq!((memory.total, memory.cache, memory.available), (7_848_168, 5000, None));
        assert_eq!((top.processes[0].state, top.processes[0].resident), (None, 512));
    }

    #[test]
    fn a_number_that_top_cut_still_counts() {
        let parsed = parse(b"KiB Mem : 16087564+total, 1234567+free,   1000 used,   2000 buff/cache\n");
        assert_eq!(parsed.value.memory.unwrap().1.total, 16_087_564);
        assert_eq!(parse(b"timeout: failed to run command 'top': No such file or directory\n").problem_count, 1);
    }
}
