"""Orders by device, network address and postcode: the risk assessor looks them up for each decision"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

COLUMNS = {
    'device_id': "placed_with ->> 'device_id'",
    'ip': "placed_with ->> 'ip'",
    'ship_to_postcode': "ship_to ->> 'postcode'",
}


def upgrade() -> None:
    # PostgreSQL before 18 has stored columns only; SQLite adds virtual ones only
    stored = True if op.get_bind().dialect.name == 'postgresql' else None
    for name, expression in COLUMNS.items():
        # not in a batch: SQLite adds a virtual column in place, and a copied table would lose what batch cannot see
        op.add_column('orders', sa.Column(name, sa.String(), sa.Computed(expression, persisted=stored), nullable=True))
        op.create_index(f'ix_orders_{name}', 'orders', [name])


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_index(f'ix_orders_{name}', 'orders')
        op.drop_column('orders', name)
