//! Indexes, views and triggers.

use super::super::agreed::AgreedObject;
use super::super::text;
use super::{Plan, article, change};
use crate::model::{Object, ObjectKind, Schema, Side};

impl Plan<'_> {
    pub(super) fn objects(&mut self) {
        for side in Side::BOTH {
            let (mine, theirs) = (self.schema(side).clone(), self.schema(side.other()).clone());
            let named = mine
                .objects
                .iter()
                .filter(|object| matches!(object.kind, ObjectKind::Index | ObjectKind::View | ObjectKind::Trigger));
            for object in named {
                if self.left_out_by_config(&object.table) {
                    continue;
                }
                match theirs.object(object.kind, &object.name) {
                    Some(other) if side == Side::Local => self.object_of_both(object, other),
                    Some(_) => {}
                    None => self.object_of_one(side, object, &theirs),
                }
            }
        }
    }

    fn object_of_both(&mut self, ours: &Object, theirs: &Object) {
        let before = self.drift.before.object(ours).cloned();
        let alike = text::same(&ours.sql, &theirs.sql);
        let sql = before
            .filter(|_| !alike)
            .map_or_else(|| ours.sql.clone(), |before| before.sql);
        if !alike && ours.kind != ObjectKind::Trigger {
            let changed = match (text::same(&sql, &ours.sql), text::same(&sql, &theirs.sql)) {
                (true, false) => "; it was changed on the server",
                (false, true) => "; it was changed on the laptop",
                _ => "",
            };
            let reason = format!(
                "{} that is not the same on both sides{changed}; neither is touched",
                article(ours.kind)
            );
            self.note(&ours.name, reason);
        }
        self.drift.agreed.objects.push(AgreedObject {
            kind: ours.kind,
            name: ours.name.clone(),
            sql,
        });
    }

    fn object_of_one(&mut self, side: Side, object: &Object, theirs: &Schema) {
        let (here, there) = (side.place(), side.other().place());
        let (kind, known) = (article(object.kind), self.drift.before.object(object).cloned());
        let has_table = self.common.contains(&object.table.to_ascii_lowercase());
        if let Some(known) = known {
            self.drift.agreed.objects.push(known);
            if has_table || object.kind == ObjectKind::View {
                let again =
                    format!("{kind} only on the {here}: it was dropped on the {there}, and is left on the {here}");
                self.note(&object.name, again);
            }
            return;
        }
        match object.kind {
            ObjectKind::Trigger => {
                let of_view = theirs.object(ObjectKind::View, &object.table).is_some();
                if has_table || of_view {
                    let reason = format!(
                        "{kind} only on the {here}: none is carried over, since it would change what every program's writes \
                         do. To have it on the {there} too, run there: {}",
                        object.sql
                    );
                    self.note(&object.name, reason);
                }
            }
            ObjectKind::Index if !has_table || self.has_its_like(object, theirs) => {}
            _ => match self.statement(side, object) {
                Ok(sql) => self.drift.changes.push(change(side.other(), object, sql)),
                Err(reason) => self.note(
                    &object.name,
                    format!("{kind} only on the {here}, and not made on the {there}: {reason}"),
                ),
            },
        }
    }

    /// Whether the other side has the same index under another name.
    fn has_its_like(&self, index: &Object, theirs: &Schema) -> bool {
        let mut indexes = theirs.objects.iter().filter(|object| object.kind == ObjectKind::Index);
        indexes.any(|other| text::same_index(&index.sql, &other.sql))
    }
}
