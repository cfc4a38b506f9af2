import django.db.models.deletion
from django.db import migrations, models

# Whoever settles a request's promise (a canceled execution, a passed deadline, the protocol), the settling commit notes
# it for `approvals_expire`. An insert only: it takes no lock that a decision holds.
NOTE_SETTLED = """
    CREATE FUNCTION approvals_note_settled() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO approvals_settledpromise (promise_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER approvals_note_settled AFTER UPDATE OF state ON promises_promise
        FOR EACH ROW WHEN (OLD.state = 'pending' AND NEW.state <> 'pending' AND NEW.tags ? 'countersign:approval')
        EXECUTE FUNCTION approvals_note_settled();
"""
FORGET_SETTLED = """
    DROP TRIGGER IF EXISTS approvals_note_settled ON promises_promise;
    DROP FUNCTION IF EXISTS approvals_note_settled();
"""

class Migration(migrations.Migration):

    initial = True

    dependencies = [("promises", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='ApprovalRequest',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('promise_id', models.TextField(db_collation='C', unique=True, verbose_name='promise')),
                ('execution_id', models.TextField(db_collation='C', verbose_name='execution')),
                ('workflow', models.TextField(blank=True, verbose_name='workflow')),
                ('title', models.TextField(verbose_name='question')),
                ('requester', models.TextField(blank=True, verbose_name='asked by')),
                ('state', models.TextField(choices=[('pending', 'pending'), ('decided', 'decided'), ('timed_out', 'timed out'), ('canceled', 'canceled')], default='pending', verbose_name='state')),
                ('outcome', models.TextField(blank=True, verbose_name='outcome')),
                ('policy', models.JSONField(verbose_name='policy')),
                ('policy_name', models.TextField(blank=True, verbose_name='name of the policy')),
                ('outcomes', models.JSONField(verbose_name='outcomes')),
                ('blocks', models.JSONField(default=list, verbose_name='card')),
                ('risk', models.TextField(choices=[('low', 'low'), ('medium', 'medium'), ('high', 'high')], default='medium', verbose_name='risk')),
                ('digest', models.TextField(verbose_name='digest')),
                ('version', models.IntegerField(default=1, verbose_name='version')),
                ('stage', models.IntegerField(default=0, verbose_name='stage')),
                ('is_stalled', models.BooleanField(default=False, verbose_name='stalled')),
                ('opened_at', models.BigIntegerField(verbose_name='asked at')),
                ('deadline_at', models.BigIntegerField(blank=True, null=True, verbose_name='deadline')),
                ('timeout_outcome', models.TextField(blank=True, verbose_name='outcome at the deadline')),
                ('decided_at', models.BigIntegerField(blank=True, null=True, verbose_name='closed at')),
                ('decided_by', models.TextField(blank=True, verbose_name='decided by')),
                ('closed_because', models.TextField(blank=True, verbose_name='why it was closed')),
            ],
            options={
                'verbose_name': 'request',
                'verbose_name_plural': 'requests',
                'ordering': ('-opened_at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stream', models.TextField(verbose_name='stream')),
                ('number', models.IntegerField(verbose_name='number')),
                ('kind', models.TextField(verbose_name='kind')),
                ('actor', models.TextField(blank=True, verbose_name='person')),
                ('channel', models.TextField(blank=True, verbose_name='channel')),
                ('data', models.JSONField(default=dict, verbose_name='data')),
                ('happened_at', models.BigIntegerField(verbose_name='at')),
                ('previous_hash', models.TextField(blank=True, verbose_name='hash before')),
                ('hash', models.TextField(verbose_name='hash')),
            ],
            options={
                'verbose_name': 'audit event',
                'verbose_name_plural': 'audit events',
                'ordering': ('pk',),
            },
        ),
        migrations.CreateModel(
            name='Ballot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.IntegerField(default=1, verbose_name='version')),
                ('stage', models.IntegerField(default=0, verbose_name='stage')),
                ('actor', models.TextField(verbose_name='person')),
                ('matched', models.JSONField(default=list, verbose_name='answers as')),
                ('outcome', models.TextField(verbose_name='outcome')),
                ('comment', models.TextField(blank=True, verbose_name='comment')),
                ('channel', models.TextField(verbose_name='channel')),
                ('digest', models.TextField(verbose_name='digest')),
                ('cast_at', models.BigIntegerField(verbose_name='at')),
            ],
            options={
                'verbose_name': 'ballot',
                'verbose_name_plural': 'ballots',
                'ordering': ('pk',),
            },
        ),
        migrations.CreateModel(
            name='RequestAudience',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('principal', models.TextField(verbose_name='principal')),
                ('role', models.TextField(choices=[('decide', 'may decide now'), ('later', 'decides in a later stage'), ('veto', 'may say no'), ('never', 'may not decide'), ('done', 'has answered'), ('asked', 'asked for it')], verbose_name='role')),
                ('is_open', models.BooleanField(default=True, verbose_name='open')),
            ],
            options={
                'verbose_name': 'audience',
                'verbose_name_plural': 'audiences',
            },
        ),
        migrations.CreateModel(
            name='SettledPromise',
            fields=[
                ('promise_id', models.TextField(db_collation='C', primary_key=True, serialize=False)),
            ],
            options={
                'verbose_name': 'settled promise',
                'verbose_name_plural': 'settled promises',
            },
        ),
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('request', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='decision', serialize=False, to='approvals.approvalrequest', verbose_name='request')),
                ('outcome', models.TextField(verbose_name='outcome')),
                ('kind', models.TextField(verbose_name='kind')),
                ('by', models.TextField(blank=True, verbose_name='by')),
                ('comment', models.TextField(blank=True, verbose_name='comment')),
                ('channel', models.TextField(verbose_name='channel')),
                ('is_timeout', models.BooleanField(default=False, verbose_name='by the deadline')),
                ('digest', models.TextField(verbose_name='digest')),
                ('decided_at', models.BigIntegerField(verbose_name='at')),
            ],
            options={
                'verbose_name': 'decision',
                'verbose_name_plural': 'decisions',
            },
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(models.OrderBy(models.F('deadline_at'), nulls_last=True), models.F('opened_at'), models.F('id'), condition=models.Q(('state', 'pending')), name='approvals_request_inbox'),
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(condition=models.Q(('deadline_at__isnull', False), ('state', 'pending')), fields=['deadline_at'], name='approvals_request_due'),
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(fields=['-opened_at', '-id'], name='approvals_request_newest'),
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(fields=['requester', '-opened_at'], name='approvals_request_requester'),
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(fields=['execution_id'], name='approvals_request_execution'),
        ),
        migrations.AddIndex(
            model_name='approvalrequest',
            index=models.Index(condition=models.Q(('decided_at__isnull', False)), fields=['-decided_at', '-id'], name='approvals_request_archive'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.UniqueConstraint(fields=('stream', 'number'), name='approvals_audit_order'),
        ),
        migrations.AddField(
            model_name='ballot',
            name='request',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='ballots', to='approvals.approvalrequest', verbose_name='request'),
        ),
        migrations.AddField(
            model_name='requestaudience',
            name='request',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='audience', to='approvals.approvalrequest'),
        ),
        migrations.AddIndex(
            model_name='ballot',
            index=models.Index(fields=['actor', '-cast_at'], name='approvals_ballot_mine'),
        ),
        migrations.AddConstraint(
            model_name='ballot',
            constraint=models.UniqueConstraint(fields=('request', 'version', 'stage', 'actor'), name='approvals_ballot_once'),
        ),
        migrations.AddIndex(
            model_name='requestaudience',
            index=models.Index(condition=models.Q(('is_open', True)), fields=['principal', 'role', 'request'], name='approvals_audience_open'),
        ),
        migrations.AddIndex(
            model_name='requestaudience',
            index=models.Index(fields=['principal', 'request'], name='approvals_audience_all'),
        ),
        migrations.AddConstraint(
            model_name='requestaudience',
            constraint=models.UniqueConstraint(fields=('request', 'principal', 'role'), name='approvals_audience_once'),
        ),
        migrations.RunSQL(NOTE_SETTLED, FORGET_SETTLED),
    ]
