//! `salut announce`: a service is visible until the program ends.

use salut::{Announcement, AnnouncementEvent, HostName, InstanceName, Interface, Service, ServiceType, Txt};
use serde_json::{Value, json};

use crate::args::{Attribute, Network, attribute, port, subtype};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::output::Output;

/// Make a service visible to the network until you press Ctrl-C
#[derive(clap::Args)]
#[command(help_template = HELP, after_help = MORE)]
pub(crate) struct Args {
    /// Name for people to read, such as "My Node"
    #[arg(long, value_name = "NAME", value_parser = InstanceName::new)]
    instance: InstanceName,

    /// Service type, such as _exo._tcp
    #[arg(long, value_name = "TYPE", value_parser = ServiceType::new)]
    service: ServiceType,

    /// Port that the service listens on
    #[arg(long, value_name = "PORT", value_parser = port)]
    port: u16,

    /// TXT attribute or flag; may be given again
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = attribute)]
    txt: Vec<Attribute>,

    /// Subtype, such as _gpu; may be given again
    #[arg(long, value_name = "NAME", value_parser = subtype)]
    subtype: Vec<String>,

    /// Host name to claim, such as alpha.local
    #[arg(long, value_name = "NAME", value_parser = HostName::new)]
    host: Option<HostName>,

    #[command(flatten)]
    network: Network,

    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
{about}.

First it asks for about a second whether somebody has the name. If so, it adds a
number: \"My Node\" becomes \"My Node (2)\". At the end it tells everybody that the
service is gone.

{usage-heading} {usage}

{all-args}{after-help}";

const MORE: &str = "\
The instance name has up to 63 bytes of UTF-8: spaces, dots and emoji are fine.
Without --host, the host name is this machine's with four random letters behind
it, so that no other program's name is in the way.

JSON lines:
  event       announced (visible; again when something in it changed), renamed
              (the name was taken, another one is being claimed) or withdrawn
  instance    the instance name
  host        the host name, such as alpha.local
  interfaces  where it is visible, such as [\"eth0\"]
  from        with renamed: the name that was lost

Examples:
  salut announce --instance \"My Node\" --service _exo._tcp --port 52415
  salut announce --instance Web --service _http._tcp --port 80 --txt path=/

Ends with SIGINT (Ctrl-C), SIGTERM or SIGHUP, and with exit status 0.";

impl Args {
    fn service(&self) -> Result<Service, Failure> {
        let mut txt = Txt::new();
        for attribute in &self.txt {
            if txt.get(&attribute.key).is_some() {
                // RFC 6763 §6.4: only the first one would ever be read.
                let key = &attribute.key;
                return Err(Failure::Usage(format!(
                    "TXT key {key:?} is given twice; right would be each key once, whatever its case"
                )));
            }
            txt = attribute.add_to(txt).map_err(salut::ServiceError::from)?;
        }
        let service = Service::new(&self.instance.as_str(), &self.service.to_string(), self.port)?;
        Ok(self.subtype.iter().try_fold(service.txt_record(txt), |service, name| service.subtype(name))?)
    }
}

pub(crate) async fn run(args: Args, mut ending: Ending) -> Result<(), Failure> {
    let service = args.service()?;
    let mut builder = args.network.builder();
    if let Some(host) = args.host {
        builder = builder.host_name(host);
    }
    let mdns = builder.build()?;
    let mut announcement = mdns.register(service)?;
    let mut report =
        Report { out: Output::new(), json: args.json, port: args.port, told: None, interfaces: Vec::new() };
    let result = tokio::select! {
        biased;
        result = ending.wait() => result,
        result = report.follow(&mut announcement) => result,
        never = crate::look_for_interfaces(&mdns) => match never {},
    };
    let (name, host) = (announcement.name(), announcement.host());
    crate::goodbye(mdns).await;
    if result.is_ok() {
        report.withdrawn(&name, &host).await;
    }
    result
}

/// Tells what becomes of the announcement.
struct Report {
    out: Output,
    json: bool,
    port: u16,
    /// What was told last, so that nothing is told twice.
    told: Option<String>,
    /// Where the service is visible.
    interfaces: Vec<Interface>,
}

impl Report {
    /// Only a failure ends it: an announcement stands until it is withdrawn.
    async fn follow(&mut self, announcement: &mut Announcement) -> Result<(), Failure> {
        while let Some(event) = announcement.next_event().await {
            match event {
                AnnouncementEvent::Announced { name, host, interfaces } => {
                    self.announced(&name, &host, interfaces).await?;
                }
                AnnouncementEvent::Renamed { from, to } => {
                    self.renamed(&from, &to, &announcement.host()).await?;
                }
                AnnouncementEvent::HostRenamed { from, to } => self.host_renamed(&from, &to).await?,
                AnnouncementEvent::Refused { error } => return Err(Failure::Run(error.to_string())),
                // A disputed name is in the log, as a warning.
                _ => {}
            }
        }
        Err(Failure::Run("announcing has ended, which it should not; -v may tell why".into()))
    }

    async fn announced(
        &mut self,
        name: &InstanceName,
        host: &HostName,
        interfaces: Vec<Interface>,
    ) -> Result<(), Failure> {
        self.interfaces = interfaces;
        let line = if self.json {
            crate::json::line(&self.object("announced", name, host))
        } else {
            let interfaces = self.interface_names().join(", ");
            let port = self.port;
            let place = if interfaces.is_empty() { "no interface is up".into() } else { interfaces };
            format!("announced  {name:?} on host {host}, port {port} ({place})")
        };
        if self.told.as_ref() == Some(&line) {
            return Ok(());
        }
        self.out.line(&line).await?;
        self.told = Some(line);
        Ok(())
    }

    async fn renamed(
        &mut self,
        from: &InstanceName,
        to: &InstanceName,
        host: &HostName,
    ) -> Result<(), Failure> {
        self.told = None;
        self.interfaces.clear();
        let line = if self.json {
            let mut object = self.object("renamed", to, host);
            if let Some(fields) = object.as_object_mut() {
                fields.insert("from".into(), from.as_str().into());
            }
            crate::json::line(&object)
        } else {
            format!("renamed    {from:?} is taken on this network; claiming {to:?}")
        };
        self.out.line(&line).await
    }

    /// In JSON the next `announced` line carries the new host.
    async fn host_renamed(&mut self, from: &HostName, to: &HostName) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.out.line(&format!("renamed    host {from} is taken on this network; claiming {to}")).await
    }

    async fn withdrawn(&mut self, name: &InstanceName, host: &HostName) {
        let line = if self.json {
            crate::json::line(&self.object("withdrawn", name, host))
        } else {
            format!("withdrawn  {name:?}")
        };
        self.out.last_line(&line).await;
    }

    fn object(&self, event: &str, name: &InstanceName, host: &HostName) -> Value {
        json!({
            "event": event,
            "instance": name.as_str(),
            "host": host.to_string(),
            "interfaces": self.interface_names(),
        })
    }

    fn interface_names(&self) -> Vec<&str> {
        self.interfaces.iter().map(|interface| &*interface.name).collect()
    }
}
