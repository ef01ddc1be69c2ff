//! One thing under several names: a pod's name, its UID, its sandbox and its containers; a volume and its device.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entity, EntityKind};

/// Which entities stand for one thing, learned from lines that print two of its names side by side.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    parent: BTreeMap<Entity, Entity>,
}

/// Kinds whose values may name one pod.
const POD: [EntityKind; 3] = [EntityKind::Pod, EntityKind::Uid, EntityKind::Container];
/// Kinds whose values may name one volume.
const VOLUME: [EntityKind; 2] = [EntityKind::Volume, EntityKind::Device];

impl Aliases {
    /// Learns from the entities of one line: if it names exactly one pod, its UID and its containers are that pod's; if it names exactly
    /// one volume and one device, the device is the volume's. A line about two pods says nothing of who belongs to whom.
    pub fn learn(&mut self, line: &BTreeSet<Entity>) {
        for kinds in [&POD[..], &VOLUME[..]] {
            let of = |kind: EntityKind| line.iter().filter(move |entity| entity.kind == kind);
            if kinds.iter().any(|kind| of(*kind).count() > 1) {
                continue;
            }
            let mut named = kinds.iter().flat_map(|kind| of(*kind));
            if let Some(first) = named.next() {
                for other in named {
                    self.join(first, other);
                }
            }
        }
    }

    fn join(&mut self, a: &Entity, b: &Entity) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            // The smaller one stands for both, so that the order of lines does not matter; pods sort first, which reads best.
            let (keep, give) = if a < b { (a, b) } else { (b, a) };
            self.parent.insert(give, keep);
        }
    }

    fn root(&self, entity: &Entity) -> Entity {
        let mut at = entity;
        while let Some(parent) = self.parent.get(at) {
            at = parent;
        }
        at.clone()
    }

    /// The entity that stands for this one and its other names.
    pub fn canonical(&self, entity: &Entity) -> Entity {
        self.root(entity)
    }

    /// All of these under the names that stand for them.
    pub fn canonical_all(&self, entities: &BTreeSet<Entity>) -> BTreeSet<Entity> {
        entities.iter().map(|entity| self.root(entity)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_text;
    use super::*;

    #[test]
    fn a_uid_and_a_container_become_their_pod() {
        let id = "0123456789abcdef".repeat(4);
        let uid = "0363f3c1-ad9f-735c-e266-4c45bae016d8";
        let mut lines = [
            in_text(&format!(r#"pod="payments/web-0" podUID="{uid}""#)),
            in_text(&format!(r#"pod {uid}: sandbox {id}"#)),
        ];
        let mut first: Option<Entity> = None;
        for _ in 0..2 {
            let mut aliases = Aliases::default();
            lines.iter().for_each(|line| aliases.learn(line));
            let canonical = aliases.canonical(&Entity::new(EntityKind::Container, &*id));
            assert_eq!(canonical.to_string(), "pod payments/web-0");
            assert_eq!(*first.get_or_insert(canonical.clone()), canonical, "the order of lines does not matter");
            lines.reverse();
        }
    }

    #[test]
    fn a_line_about_two_pods_joins_nothing() {
        let mut aliases = Aliases::default();
        let line = in_text(r#"pod="a/x" pod="a/y" podUID="0363f3c1-ad9f-735c-e266-4c45bae016d8""#);
        aliases.learn(&line);
        assert_eq!(aliases.canonical(&Entity::new(EntityKind::Pod, "a/x")).value, "a/x");
        assert_eq!(aliases.canonical_all(&line), line);
    }
}
