// Open a series of an ArchiMed archive in ImageJ or Fiji: needs curl and unzip, which Windows 10, macOS and Linux have.
//
// Put your token into a file that only you can read, with this one line: header = "Authorization: Bearer amt_..."

#@ String (label = "Archive", value = "https://archive.example.org") url
#@ File (label = "File with the token") secret
#@ String (label = "Series", value = "2008-0003/E001/003_DCM_MR_t1_mprage") series

folder = getDirectory("temp") + "archimed" + File.separator;
File.makeDirectory(folder);
zip = folder + "series.zip";
exec("curl", "--fail", "--silent", "--show-error", "--config", secret, "--output", zip, url + "/api/v1/zip/" + series);
exec("tar", "-xf", zip, "-C", folder);
File.openSequence(folder + File.getName(series));
