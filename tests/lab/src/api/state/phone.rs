//! Phones on the desks of the branch.

use serde_json::{Value, json};

use super::{BASE, SINCE, ago, edge_reference, id, reference, site_reference};

/// The phones of the branch; `stuck` of them never got their configuration.
pub(super) fn phones(count: u32, stuck: u32) -> Vec<Value> {
    (1..=count)
        .map(|number| if number <= stuck { failed(phone(number)) } else { phone(number) })
        .collect()
}

/// A phone whose provisioning failed an hour ago.
fn failed(mut phone: Value) -> Value {
    phone["status"]["operationalStatus"] = json!("OFFLINE");
    phone["status"]["eventCreationTime"] = json!(ago(3600));
    phone["status"]["provision"] = json!({
        "time": ago(3600),
        "source": phone["status"]["provision"]["source"],
        "errorInfo": "The configuration could not be downloaded: 404 Not Found",
    });
    phone["status"]["lineStatuses"][0]["reachable"] = json!(false);
    phone["status"]["lineStatuses"][0]["contactAddresses"] = json!([]);
    phone
}

fn phone(number: u32) -> Value {
    let name = format!("Lyon desk {number:02}");
    let address = format!("192.0.{}.{}", 2 + number / 150, 100 + number % 150);
    json!({
        "id": id(50, number),
        "name": name,
        "state": "active",
        "site": site_reference(1),
        "phoneBaseSettings": { "id": id(55, 1), "name": "Polycom VVX 411" },
        "lineBaseSettings": { "id": id(56, 1), "name": "Polycom line" },
        "phoneMetaBase": { "id": "polycom_vvx411.json", "name": "Polycom VVX 411" },
        "lines": [reference(60, number, &format!("{name}_1"), "/lines")],
        "status": {
            "id": id(50, number),
            "operationalStatus": "OPERATIONAL",
            "edgesStatus": "IN_SERVICE",
            "eventCreationTime": SINCE,
            "provision": { "time": "2026-05-15T06:00:11.000Z", "source": address },
            "lineStatuses": [{
                "id": id(60, number),
                "reachable": true,
                "addressOfRecord": format!("sip:{}@lyon.example", 1000 + number),
                "contactAddresses": [format!("sip:{address}:5060;transport=tls")],
                "reachableStateTime": "2026-05-15T06:00:15.000Z",
            }],
            "phoneAssignmentToEdgeType": "PRIMARY",
            "edge": edge_reference(1),
        },
        "secondaryStatus": {
            "id": id(50, number),
            "operationalStatus": "UNKNOWN",
            "edgesStatus": "NO_EDGES",
            "phoneAssignmentToEdgeType": "SECONDARY",
        },
        "userAgentInfo": {
            "manufacturer": "Polycom", "model": "VVX411", "firmwareVersion": "6.4.3.1234",
        },
        "properties": {
            "phone_hardwareId": { "value": { "instance": format!("0004f2{number:06x}") } },
        },
        "capabilities": {
            "provisions": true,
            "registers": true,
            "dualRegisters": true,
            "hardwareIdType": "mac",
            "allowReboot": true,
            "noRebalance": false,
            "noCloudProvisioning": false,
            "mediaCodecs": ["audio/opus", "audio/pcmu"],
            "cdm": false,
        },
        "standAlone": false,
        "selfUri": format!("{BASE}/phones/{}", id(50, number)),
    })
}
