"""What is looked up at every recommendation and every look for changes: a visitor's past, changed variants, fresh codes"""

from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_interactions_visitor_id_at': ('interactions', ['visitor_id', 'at']),
    'ix_variants_updated_at': ('variants', ['updated_at']),
    'ix_one_time_codes_created_at': ('one_time_codes', ['created_at']),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
