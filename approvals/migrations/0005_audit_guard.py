from django.db import migrations, models

# Nobody changes what was recorded, whoever is connected: events and checkpoints take no UPDATE, no TRUNCATE, and no
# DELETE, but of events that a checkpoint covers.
GUARD = """
    CREATE FUNCTION approvals_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END
    $$;
    CREATE FUNCTION approvals_audit_refuse_uncovered() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM approvals_auditcheckpoint c WHERE c.stream = OLD.stream AND c.number >= OLD.number) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '% is append-only: DELETE is refused where no checkpoint covers it', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    $$;
    CREATE TRIGGER approvals_audit_update BEFORE UPDATE ON approvals_auditevent
        FOR EACH ROW EXECUTE FUNCTION approvals_audit_refuse();
    CREATE TRIGGER approvals_audit_delete BEFORE DELETE ON approvals_auditevent
        FOR EACH ROW EXECUTE FUNCTION approvals_audit_refuse_uncovered();
    CREATE TRIGGER approvals_audit_truncate BEFORE TRUNCATE ON approvals_auditevent
        FOR EACH STATEMENT EXECUTE FUNCTION approvals_audit_refuse();
    CREATE TRIGGER approvals_checkpoint_change BEFORE UPDATE OR DELETE ON approvals_auditcheckpoint
        FOR EACH ROW EXECUTE FUNCTION approvals_audit_refuse();
    CREATE TRIGGER approvals_checkpoint_truncate BEFORE TRUNCATE ON approvals_auditcheckpoint
        FOR EACH STATEMENT EXECUTE FUNCTION approvals_audit_refuse();
"""
UNGUARD = """
    DROP TRIGGER IF EXISTS approvals_checkpoint_truncate ON approvals_auditcheckpoint;
    DROP TRIGGER IF EXISTS approvals_checkpoint_change ON approvals_auditcheckpoint;
    DROP TRIGGER IF EXISTS approvals_audit_truncate ON approvals_auditevent;
    DROP TRIGGER IF EXISTS approvals_audit_delete ON approvals_auditevent;
    DROP TRIGGER IF EXISTS approvals_audit_update ON approvals_auditevent;
    DROP FUNCTION IF EXISTS approvals_audit_refuse_uncovered();
    DROP FUNCTION IF EXISTS approvals_audit_refuse();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0004_people_work'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditCheckpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stream', models.TextField(verbose_name='stream')),
                ('number', models.IntegerField(verbose_name='last number')),
                ('hash', models.TextField(verbose_name='last hash')),
                ('removed', models.IntegerField(verbose_name='events removed')),
                ('pruned_at', models.BigIntegerField(verbose_name='at')),
                ('previous_link', models.TextField(blank=True, verbose_name='link before')),
                ('link', models.TextField(verbose_name='link')),
                ('signature', models.JSONField(blank=True, null=True, verbose_name='signature')),
            ],
            options={
                'verbose_name': 'checkpoint of the audit',
                'verbose_name_plural': 'checkpoints of the audit',
                'ordering': ('pk',),
                'constraints': [models.UniqueConstraint(fields=('stream', 'number'), name='approvals_checkpoint_once')],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
