//! Lists of `ctr --namespace k8s.io`: containers, tasks, images and plugins. Each has a header; errors of the tool may stand among the rows.

use super::words::{Words, complaint, text};
use super::{Lines, Parsed, Span};

/// A container; it need not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Where it stands.
    pub span: Span,
    /// Its id; that of a sandbox is the pod's.
    pub id: String,
    /// Its image; `-` for none.
    pub image: String,
}

/// A running (or just ended) task of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Where it stands.
    pub span: Span,
    /// The container.
    pub id: String,
    /// Its first process.
    pub pid: u32,
    /// `RUNNING`, `STOPPED`, `PAUSED`, `CREATED`, `UNKNOWN`.
    pub status: String,
}

/// A reference to an image; each image has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it stands.
    pub span: Span,
    /// The reference.
    pub reference: String,
    /// The digest.
    pub digest: String,
}

/// A plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Where it stands.
    pub span: Span,
    /// Its type, such as `io.containerd.snapshotter.v1`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// `ok`, `skip`, `error`.
    pub status: String,
}

/// Reads rows behind a header that begins with a word.
fn rows<T>(file: &[u8], header: &[u8], what: &str, row: impl Fn(Span, &[&[u8]]) -> Option<T>) -> Parsed<Vec<T>> {
    let mut parsed = Parsed::new(Vec::new());
    let mut in_table = false;
    let mut words = Vec::new();
    for (span, line) in Lines::new(file) {
        words.clear();
        words.extend(Words::new(line));
        match words.first() {
            None => {}
            Some(first) if *first == header => {
                in_table = true;
                parsed.value.clear();
            }
            Some(_) => match row(span, &words).filter(|_| in_table) {
                Some(row) => parsed.value.push(row),
                None => parsed.problem(span, complaint(line).unwrap_or(what)),
            },
        }
    }
    parsed
}

/// Reads containerd/containerd-containers.txt.
pub fn parse_containers(file: &[u8]) -> Parsed<Vec<Container>> {
    rows(file, b"CONTAINER", "not a container of ctr", |span, words| match words {
        [id, image, _runtime] => Some(Container { span, id: text(id), image: text(image) }),
        _ => None,
    })
}

/// Reads containerd/containerd-tasks.txt.
pub fn parse_tasks(file: &[u8]) -> Parsed<Vec<Task>> {
    rows(file, b"TASK", "not a task of ctr", |span, words| match words {
        [id, pid, status] => Some(Task { span, id: text(id), pid: super::words::number(pid)?, status: text(status) }),
        _ => None,
    })
}

/// Reads containerd/containerd-images.txt.
pub fn parse_images(file: &[u8]) -> Parsed<Vec<Image>> {
    rows(file, b"REF", "not an image of ctr", |span, words| match words {
        [reference, _kind, digest, ..] if digest.starts_with(b"sha256:") => {
            Some(Image { span, reference: text(reference), digest: text(digest) })
        }
        _ => None,
    })
}

/// Reads containerd/containerd-plugins.txt.
pub fn parse_plugins(file: &[u8]) -> Parsed<Vec<Plugin>> {
    rows(file, b"TYPE", "not a plugin of ctr", |span, words| match words {
        [kind, id, .., status @ (b"ok" | b"skip" | b"error")] => {
            Some(Plugin { span, kind: text(kind), id: text(id), status: text(status) })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(
            rows in proptest::collection::vec(("[0-9a-f]{64}", "[a-z0-9./]{1,20}:[a-z0-9.]{1,5}", any::<u32>(), "(RUNNING|STOPPED|UNKNOWN)", "(ok|skip|error)"), 0..5),
        ) {
            let mut files = ["CONTAINER    IMAGE    RUNTIME\n", "TASK    PID    STATUS\n", "REF TYPE DIGEST SIZE PLATFORMS LABELS\n", "TYPE  ID  PLATFORMS  STATUS\n"].map(String::from);
            for (id, image, pid, status, plugin) in &rows {
                files[0] += &format!("{id}    {image}    io.containerd.runc.v2\n");
                files[1] += &format!("{id}    {pid}    {status}\n");
                files[2] += &format!("{image} application/vnd.oci.image.index.v1+json sha256:{id} 31.4 MiB linux/amd64,linux/arm64 io.cri-containerd.image=managed \n");
                files[3] += &format!("io.containerd.snapshotter.v1    {image}    linux/amd64    {plugin}\n");
            }
            let (containers, tasks) = (parse_containers(files[0].as_bytes()), parse_tasks(files[1].as_bytes()));
            let (images, plugins) = (parse_images(files[2].as_bytes()), parse_plugins(files[3].as_bytes()));
            prop_assert_eq!(containers.problem_count + tasks.problem_count + images.problem_count + plugins.problem_count, 0);
            let back: Vec<_> = containers.value.into_iter().zip(tasks.value).zip(images.value).zip(plugins.value)
                .map(|(((container, task), image), plugin)| {
                    assert_eq!((&container.id, &container.image, format!("sha256:{}", task.id)), (&task.id, &image.reference, image.digest));
                    (container.id, plugin.id, task.pid, task.status, plugin.status)
                }).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse_containers(&file);
            parse_tasks(&[b"TASK\n", &file[..]].concat());
            parse_images(&[b"REF\n", &file[..]].concat());
            parse_plugins(&[b"TYPE\n", &file[..]].concat());
        }
    }

    #[test]
    fn errors_among_rows_are_told() {
        let parsed = parse_tasks(
            b"TASK    PID    STATUS\nab    12    RUNNING\nctr: failed to dial \"/run/containerd/containerd.sock\"\n",
        );
        assert_eq!((parsed.value.len(), parsed.problems[0].what.as_str()), (1, "the daemon did not answer"));
    }
}
